"""An ACP agent that does what its prompt says, well or badly: for tests of who hosts it.

Run as ``python strange_agent.py`` with any of ``--no-resume``, ``--no-load``, ``--login``,
``--forgets`` and ``--stubborn``. A prompt is a line of words; each is one of
the functions at the end of this file, with arguments after colons (``say:hello``,
``call:execute:touch_x``). Standard library alone, so that it starts in no time and shares no code
with the host.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

_OPTIONS = [
    {"optionId": "always", "name": "Always", "kind": "allow_always"},
    {"optionId": "once", "name": "Yes", "kind": "allow_once"},
    {"optionId": "never", "name": "No", "kind": "reject_once"},
]
_MODELS = [{"value": "small", "name": "Small"}, {"value": "large", "name": "Large"}]


class Agent:
    """One connection. Prompts run in threads of their own."""

    def __init__(self, flags: list[str]) -> None:
        self.flags = flags
        self.session = "strange-1"
        self.out = threading.Lock()
        self.cancelled = threading.Event()
        self.answers: dict[str, Queue[dict[str, Any]]] = {}
        self.count = 0
        self.turns = 0
        self.model = "small"
        self.prompt_id: Any = None

    def write(self, data: bytes) -> None:
        with self.out:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def send(self, **message: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def update(self, word: str, /, session: str = "", **values: Any) -> None:
        params = {"sessionId": session or self.session, "update": {"sessionUpdate": word, **values}}
        self.send(method="session/update", params=params)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """A request to the host; what it answers."""
        self.count += 1
        key = f"q{self.count}"
        self.answers[key] = Queue()
        self.send(id=key, method=method, params={"sessionId": self.session, **params})
        return self.answers[key].get()

    def serve(self) -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "method" not in message:
                if message["id"] in self.answers:
                    self.answers[message["id"]].put(message)
                continue
            match message["method"]:
                case "session/prompt":
                    self.cancelled.clear()
                    self.prompt_id = message["id"]
                    threading.Thread(target=self.prompt, args=(message,), daemon=True).start()
                case "session/cancel":
                    self.cancelled.set()
                case method:
                    self.request(method, message)

    def request(self, method: str, message: dict[str, Any]) -> None:
        params: dict[str, Any] = message.get("params") or {}
        found: dict[str, Any] | None = None
        match method:
            case "initialize":
                session: dict[str, Any] = {} if "--no-resume" in self.flags else {"resume": {}}
                key = {"id": "key", "name": "Key", "type": "env_var", "vars": [{"name": "K"}]}
                can = {"loadSession": "--no-load" not in self.flags, "sessionCapabilities": session}
                info = {"name": "strange", "title": "Strange", "version": "1.0"}
                found = {
                    "protocolVersion": 1, "agentInfo": info, "agentCapabilities": can,
                    "authMethods": [key],
                }  # fmt: skip
            case "session/new" if "--login" in self.flags:
                self.send(id=message["id"], error={"code": -32000, "message": "log in"})
                return
            case "session/new":
                self.session = f"strange-{os.getpid()}"
                found = {"sessionId": self.session, **self.offered()}
            case "session/resume" | "session/load":
                if "--forgets" in self.flags:
                    self.send(
                        id=message["id"], error={"code": -32602, "message": "no such session"}
                    )
                    return
                self.session = params["sessionId"]
                if method == "session/load":
                    self.update("agent_message_chunk", content=text("what was said before"))
                found = self.offered()
            case "session/set_config_option":
                self.model = params["value"]
                found = self.offered()
            case _:
                self.send(id=message["id"], error={"code": -32601, "message": "no such method"})
                return
        self.send(id=message["id"], result=found)
        if method == "session/new":
            commands = [{"name": "init", "description": "Begin", "input": {"hint": "folder"}}]
            self.update("available_commands_update", availableCommands=commands)

    def offered(self) -> dict[str, Any]:
        model: dict[str, Any] = {
            "id": "model", "name": "Model", "category": "model", "type": "select",
            "currentValue": self.model, "options": _MODELS,
        }  # fmt: skip
        return {"configOptions": [model]}

    def prompt(self, message: dict[str, Any]) -> None:
        said = "".join(block.get("text", "") for block in message["params"]["prompt"])
        reason = "end_turn"
        for word in said.rpartition("\n")[2].split(" "):
            name, *arguments = word.replace("_", " ").split(":")
            done = DEEDS.get(name.replace(" ", "_"))
            if done is not None and (left := done(self, *arguments)):
                if left == "silent":
                    return
                reason = left
        if self.cancelled.is_set():
            reason = "cancelled"
        self.turns += 1
        used = {"totalTokens": 15, "inputTokens": 10, "outputTokens": 5}
        usage = {name: count * self.turns for name, count in used.items()}
        self.send(id=message["id"], result={"stopReason": reason, "usage": usage})


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def say(agent: Agent, value: str = "hello", times: str = "1") -> None:
    for _ in range(int(times)):
        agent.update("agent_message_chunk", content=text(value))


def think(agent: Agent, value: str = "hm") -> None:
    agent.update("agent_thought_chunk", content=text(value))


def call(agent: Agent, kind: str = "execute", what: str = "touch made") -> str | None:
    """A call that asks first, does it and says so."""
    given = {"command": what} if kind == "execute" else {"path": what}
    tool: dict[str, Any] = {"toolCallId": "t1", "title": what, "kind": kind, "rawInput": given}
    agent.update("tool_call", **tool, status="pending")
    answer = agent.ask("session/request_permission", toolCall=tool, options=_OPTIONS)
    outcome = answer.get("result", {}).get("outcome", {})
    if outcome.get("outcome") != "selected":
        return "cancelled"
    if outcome["optionId"] != "once":
        return say(agent, f"refused ({outcome['optionId']})")
    agent.update("tool_call_update", toolCallId="t1", status="in_progress")
    made = subprocess.run(what, shell=True, capture_output=True, text=True)  # noqa: S602
    content = [{"type": "content", "content": text(made.stdout)}]
    agent.update("tool_call_update", toolCallId="t1", status="completed", content=content)
    return None


def unasked(agent: Agent, kind: str = "execute", what: str = "touch made") -> None:
    """A call that does not ask."""
    tool: dict[str, Any] = {"toolCallId": "u1", "title": what, "kind": kind}
    agent.update("tool_call", **tool, rawInput={"command": what}, status="in_progress")
    agent.update("tool_call_update", toolCallId="u1", status="completed")


def edit(agent: Agent) -> None:
    """A change to a.txt that is shown as a diff."""
    diff = {"type": "diff", "path": str(Path.cwd() / "a.txt"), "oldText": "a\n", "newText": "b\n"}
    tool: dict[str, Any] = {"toolCallId": "e1", "title": "edit a.txt", "kind": "edit"}
    agent.update("tool_call", **tool, status="completed", content=[diff])


def despite(agent: Agent) -> None:
    """Does what it was told not to do."""
    tool: dict[str, Any] = {"toolCallId": "d1", "title": "forbidden", "kind": "execute"}
    agent.ask("session/request_permission", toolCall=tool, options=_OPTIONS)
    agent.update("tool_call", **tool, status="in_progress")
    agent.update("tool_call_update", toolCallId="d1", status="completed")


def abandoned(agent: Agent) -> None:
    """Asks, and ends its turn without waiting."""
    tool = {"toolCallId": "b1", "title": "never mind", "kind": "execute"}
    threading.Thread(
        target=agent.ask, args=("session/request_permission",),
        kwargs={"toolCall": tool, "options": _OPTIONS}, daemon=True,
    ).start()  # fmt: skip
    time.sleep(0.1)


def twice(agent: Agent) -> None:
    """Sends one question twice, under one id."""
    agent.answers["same"] = Queue()
    tool = {"toolCallId": "w1", "title": "twice", "kind": "execute"}
    params = {"sessionId": agent.session, "toolCall": tool, "options": _OPTIONS}
    for _ in range(2):
        agent.send(id="same", method="session/request_permission", params=params)
    for _ in range(2):
        agent.answers["same"].get()


def always_only(agent: Agent) -> None:
    """Offers nothing that allows only once."""
    tool = {"toolCallId": "o1", "title": "for ever", "kind": "execute"}
    answer = agent.ask("session/request_permission", toolCall=tool, options=[_OPTIONS[0]])
    say(agent, json.dumps(answer.get("result")))


def out_of_order(agent: Agent) -> None:
    """Ends a call before it begins it, speaks for another session, leaves a call open."""
    for status in ("completed", "pending", "in_progress"):
        kind = "tool_call" if status == "pending" else "tool_call_update"
        agent.update(kind, toolCallId="r1", title="late", kind="read", status=status)
    agent.update("agent_message_chunk", session="another", content=text("for somebody else"))
    agent.update("tool_call", toolCallId="n1", title="endless", kind="read", status="in_progress")


def unknown(agent: Agent) -> str:
    """Words that the protocol does not have."""
    agent.update("brand_new_update", foo=1)
    agent.update("tool_call", toolCallId="k1", title="x", kind="teleport", status="paused")
    return "went_home"


def garbage(agent: Agent) -> None:
    """Lines that are no message."""
    agent.write(
        b"npm warn deprecated\n\n\xff\xfe\x00\n42\nnull\n[1, 2]\n{}\n" + b"[" * 5000 + b"\n"
    )
    agent.write(b'{"jsonrpc": "2.0", "method": "session/update"}\n{"id": [1], "result": {}}\n')
    agent.write(b'{"jsonrpc": "2.0", "method": 7, "id": 1}\n{"id": 10000, "error": "no"}\n')


def long_line(agent: Agent) -> None:
    say(agent, "x" * 1_500_000)


def stderr(agent: Agent, count: str = "2000000") -> None:
    print("e" * int(count), file=sys.stderr, flush=True)


def flood(agent: Agent, count: str = "5000") -> None:
    for number in range(int(count)):
        say(agent, f"{number} ")


def die(agent: Agent) -> None:
    print("fatal: out of cheese", file=sys.stderr, flush=True)
    os._exit(3)


def half_line(agent: Agent) -> None:
    agent.write(b'{"jsonrpc": "2.0", "method": "session/upd')
    os._exit(0)


def orphan(agent: Agent) -> None:
    """Dies while a grandchild in a session of its own holds its pipes."""
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    os._exit(0)


def hang(agent: Agent) -> None:
    """Waits for the cancel, and obeys it."""
    agent.cancelled.wait()


def deaf(agent: Agent) -> str:
    """Never ends its turn."""
    while True:
        time.sleep(0.05)
        say(agent, "tick ")


def late(agent: Agent) -> str:
    """Ends its turn when cancelled, then speaks on."""
    agent.cancelled.wait()
    agent.send(id=agent.prompt_id, result={"stopReason": "cancelled"})
    say(agent, "late ", "10")
    return "silent"


def error(agent: Agent) -> str:
    data = {"retry": 1}
    agent.send(id=agent.prompt_id, error={"code": -32000, "message": "overloaded", "data": data})
    return "silent"


def read(agent: Agent, path: str = "a.txt") -> None:
    answer = agent.ask("fs/read_text_file", path=str(Path.cwd() / path))
    say(agent, json.dumps(answer.get("result") or answer.get("error")))


def write(agent: Agent, path: str = "a.txt", content: str = "new") -> None:
    answer = agent.ask("fs/write_text_file", path=str(Path.cwd() / path), content=content)
    say(agent, json.dumps(answer.get("error") or "written"))


def terminal(agent: Agent, command: str = "echo from the terminal") -> None:
    made = agent.ask("terminal/create", command=command)
    if "error" in made:
        return say(agent, json.dumps(made["error"]))
    key = made["result"]["terminalId"]
    agent.ask("terminal/wait_for_exit", terminalId=key)
    say(agent, json.dumps(agent.ask("terminal/output", terminalId=key)["result"]))
    agent.ask("terminal/release", terminalId=key)
    return None


def plan(agent: Agent) -> None:
    states = {"one": "completed", "two": "in_progress"}
    entries = [{"content": name, "priority": "low", "status": s} for name, s in states.items()]
    agent.update("plan", entries=entries)


DEEDS: dict[str, Callable[..., str | None]] = {
    name: deed
    for name, deed in list(globals().items())
    if inspect.isfunction(deed) and next(iter(inspect.signature(deed).parameters), "") == "agent"
}


if __name__ == "__main__":
    if "--stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Agent(sys.argv[1:]).serve()
