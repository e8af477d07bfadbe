"""The commands that are one request and a few printed lines; scripts call these often.

Nothing here may import msgspec, asyncio, typer or Textual: `mato ls` is timed against Python
itself. Results come as plain dictionaries, in the shapes of `mato.protocol.methods`.
"""

from __future__ import annotations

import math
import sys
import time

from mato import __version__
from mato.cli import output
from mato.cli.target import split
from mato.client import quick
from mato.config.paths import find
from mato.protocol.version import differs

TYPE_CHECKING = False  # `typing` costs 4 ms
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]

ATTENTION = {"blocked": 0, "failed": 1, "done": 2, "working": 3, "starting": 4}
"""Which state of its agents a session shows: the one that needs a person most."""


GRAVITY = {"execute": 0, "reach": 0, "write": 1, "spawn": 2, "read": 3, "note": 4}
"""In which order the inbox is listed: what cannot be undone comes first."""


def request(method: str, params: Data, timeout_s: float | None = 30.0) -> Data:
    """One request to the daemon, which is started when there is none."""
    return quick.request(find(), method, params, start=True, timeout_s=timeout_s)


def ls(as_json: bool = False, everything: bool = False) -> int:
    """Print the sessions, those that wait for a person first; archived ones only if asked."""
    sessions: list[Data] = request("session.list", {})["sessions"]
    if as_json:
        output.say_json([session_json(session) for session in sessions])
        return 0
    away = 0 if everything else sum(session.get("archived", False) for session in sessions)
    if not everything:
        sessions = [session for session in sessions if not session.get("archived", False)]
    if not sessions:
        output.note("no sessions yet; `mato new TASK` starts one" if not away else _apart(away))
        return 0
    now_us = time.time_ns() // 1000
    sessions.sort(key=lambda s: (ATTENTION.get(state_of(s), 9), -s["last_us"]))
    output.table(
        ("STATE", "SESSION", "AGENTS", "LAST", "TOKENS", "COST", "FOLDER"),
        [_row(session, now_us) for session in sessions],
        give=6,
    )
    if away:
        output.note(_apart(away))
    for said in _paused(sessions):
        for number, line in enumerate(output.wrapped(said, output.width() - 2)):
            output.note(f"  {line}" if number else line)
    return 0


def _paused(sessions: list[Data]) -> list[str]:
    """Why agents stand still that no question waits for, each reason once."""
    reasons: dict[str, list[str]] = {}
    for session in sessions:
        for agent in session["agents"]:
            if why := paused(agent):
                reasons.setdefault(why, []).append(f"{session['name']}:{agent['name']}")
    return [f"paused: {why} ({', '.join(who)})" for why, who in reasons.items()]


def paused(agent: Data) -> str:
    """Why an agent stands still until somebody lets it go on; "" where it does not."""
    evidence: str = agent["evidence"]
    said = "paused: "
    stands = agent["state"] == "blocked" and evidence.startswith(said)
    return evidence.removeprefix(said) if stands else ""


def _apart(count: int) -> str:
    archived = "1 archived session" if count == 1 else f"{count} archived sessions"
    return f"{archived} not listed; `mato ls --all` lists all"


def state_of(session: Data) -> str:
    """The state that a session shows: that of the agent which needs a person most."""
    states: list[str] = [agent["state"] for agent in session["agents"]]
    if alive := [state for state in states if state != "stopped"]:
        return min(alive, key=lambda state: ATTENTION.get(state, 9))
    return "stopped"


def _row(session: Data, now_us: int) -> tuple[str, ...]:
    agents: list[Data] = session["agents"]
    state = state_of(session)
    same = sum(agent["state"] == state for agent in agents)
    return (
        "archived"
        if session.get("archived", False)
        else f"{output.GLYPHS[state]} {state}"
        + (f" {same}/{len(agents)}" if len(agents) > 1 else ""),
        session["name"],
        str(len(agents)),
        output.ago(session["last_us"], now_us),
        output.tokens(sum(agent["input"] + agent["output"] for agent in agents)),
        output.cost(_sum_cost(agents)),
        output.home_short(session["cwd"]),
    )


def _sum_cost(agents: list[Data]) -> float | None:
    known = [money for agent in agents if (money := cost_of(agent)) is not None]
    return sum(known) if known else None


def cost_of(agent: Data) -> float | None:
    """What the agent has cost, in US dollars; None when no price is known."""
    spent: float = agent["cost_usd"]
    return None if agent["unpriced"] and not spent else spent


def session_json(session: Data) -> Data:
    """A session as `mato ls --json` documents it."""
    return {
        "id": session["id"],
        "name": session["name"],
        "cwd": session["cwd"],
        "created": output.iso(session["created_us"]),
        "last_activity": output.iso(session["last_us"]),
        "archived": session.get("archived", False),
        "agents": [
            {
                "id": agent["id"],
                "name": agent["name"],
                "kind": agent["kind"],
                "parent": agent.get("parent", ""),
                "depth": agent.get("depth", 0),
                "state": agent["state"],
                "evidence": agent["evidence"],
                "paused": paused(agent),
                "model": agent["model"],
                "tokens": {"input": agent["input"], "output": agent["output"]},
                "cost": cost_of(agent),
            }
            for agent in session["agents"]
        ],
    }


def send(target: str, text: str) -> int:
    """Send a prompt; print its turn once the turn is journaled as started."""
    if text == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    session, agent = split(target)
    # A prompt to a busy agent is queued, so its turn may start much later: no time limit.
    params = {"session": session, "agent": agent, "text": text}
    output.say(request("agent.prompt", params, timeout_s=None)["turn"])
    return 0


def wait(target: str, until: str, turn: str = "", timeout_s: float | None = None) -> int:
    """Wait for a state; print each agent's name, state and how its turn ended, where it has."""
    session, agent = split(target)
    params: Data = {"session": session, "agent": agent, "turn": turn, "until": until}
    if timeout_s is not None and timeout_s != math.inf:  # JSON has no word for it
        params["timeout_s"] = timeout_s
    result = request("agent.wait", params, timeout_s=None)
    for name, state in result["states"].items():
        # While a turn runs, the last reason is that of the turn before.
        over = turn or state not in ("starting", "working", "blocked")
        reason = result["reasons"].get(name, "") if over else ""
        output.say(f"{name}  {state}" + (f"  {reason}" if reason else ""))
    return 0


def inbox(as_json: bool = False) -> int:
    """Print the calls that wait for a person."""
    waiting = [
        (session, call)
        for session in request("session.list", {})["sessions"]
        for agent in session["agents"]
        for call in agent["pending"]
    ]
    waiting.sort(key=lambda pair: (GRAVITY.get(pair[1]["action"], 0), pair[1]["position"]))
    if not waiting:
        if as_json:
            output.say_json([])
        else:
            output.note("nothing waits for you")
        return 0
    from mato.cli.deciding import rejected_us

    timeout_us = rejected_us()
    if as_json:
        output.say_json([call_json(session, call, timeout_us) for session, call in waiting])
        return 0
    now_us = time.time_ns() // 1000
    for session, call in waiting:
        who = f"{session['name']}:{call['agent_name']}"
        output.say(f"▲ {call['call']}  {who}  {output.ago(call['at_us'], now_us)}")
        output.say(f"  {call['tool']}  {call['resource']}")
        for reason in reasons(call):
            for number, line in enumerate(output.wrapped(reason, output.width() - 4)):
                output.say(f"    {line}" if number else f"  {line}")
        if at_us := _rejected_at(call, timeout_us):
            left = output.ago(now_us, max(now_us, at_us))
            output.say(f"  rejected in {left} if nobody answers")
        # All that another agent is to be told, and the change that a write makes.
        task = call["arguments"].get("task", "") if call["action"] == "spawn" else ""
        for line in (*str(task).splitlines(), *call["preview"].splitlines()):
            output.say(f"    {line}")
    questions = {call.get("question", "permission") for _, call in waiting}
    if "permission" in questions:
        output.note("`mato approve CALL` or `mato deny CALL` answers")
    if "recovery" in questions:
        output.note("`mato resolve CALL done|again|give-up` decides what was cut off")
    return 0


def reasons(call: Data) -> list[str]:
    """What a person is to know before answering, a line each."""
    if call.get("question") == "recovery":
        return [asked(call)]
    lines = [f"asks because: {call['why']}"] if call.get("why") else []
    if seen := marks(call):
        lines.append(f"it has seen {seen}")
    if lasting := call.get("lasting"):
        lines.append(f"--session would allow: {lasting}")
    elif "lasting" in call:
        lines.append("it can only be allowed once")
    return lines


def marks(found: Data) -> str:
    """What an agent has seen that makes a way out dangerous, for people; "" where nothing."""
    seen = ["private data"] if found.get("private") else []
    return " and ".join(seen + (["strangers' text"] if found.get("untrusted") else []))


def asked(call: Data) -> str:
    """What a person is asked about a call that was cut off, in a sentence."""
    words = {"done": "done", "again": "run again", "give_up": "give up"}
    choices = " / ".join(words[decision] for decision in call["decisions"])
    return f"it was running when the daemon ended: {choices}"


def _rejected_at(call: Data, timeout_us: int) -> int:
    """When it is rejected if nobody answers, wall clock; 0: never."""
    waits = timeout_us and call.get("question", "permission") == "permission"
    return call["at_us"] + timeout_us if waits else 0


def call_json(session: Data, call: Data, timeout_us: int) -> Data:
    """A waiting call as `mato inbox --json` documents it."""
    return {
        "call": call["call"],
        "session": session["id"],
        "session_name": session["name"],
        "agent": call["agent"],
        "agent_name": call["agent_name"],
        "tool": call["tool"],
        "action": call["action"],
        "resource": call["resource"],
        "arguments": call["arguments"],
        "question": call.get("question", "permission"),
        "decisions": call.get("decisions", []),
        "why": call.get("why", ""),
        "taint": {name: call.get(name, False) for name in ("private", "untrusted")},
        "lasting": call.get("lasting", ""),
        "asked": output.iso(call["at_us"]),
        "rejected": output.iso(at_us) if (at_us := _rejected_at(call, timeout_us)) else None,
    }


def answer(call: str, allowed: bool) -> int:
    """Allow or deny a waiting call."""
    rule = "approved by mato approve" if allowed else "denied by mato deny"
    request("inbox.answer", {"call": call, "allowed": allowed, "rule": rule})
    return 0


def stop(target: str) -> int:
    """End the current turn; print whose turn it was."""
    session, agent = split(target)
    names = request("agent.stop", {"session": session, "agent": agent})["agents"]
    if not names:
        output.note(f"nothing to stop: no turn was running in {target}")
    for name in names:
        output.say(f"ended the turn of {name}; the agent waits for a prompt")
    return 0


def kill(target: str) -> int:
    """End an agent, or all agents of a session; the record stays."""
    session, agent = split(target)
    names = request("agent.kill", {"session": session, "agent": agent})["agents"]
    if not names:
        output.note(f"nothing to end: no agent of {target} was alive")
    for name in names:
        output.say(f"ended {name}; its record stays")
    return 0


def rename(session: str, name: str) -> int:
    """Give a session another name."""
    request("session.rename", {"session": session, "name": name})
    return 0


def daemon_status(as_json: bool = False) -> int:
    """Print whether a daemon runs and what it does; exit 4 when none does."""
    status = quick.request(find(), "daemon.status", {}, start=False)
    if as_json:
        output.say_json(status)
        return 0
    output.say(f"running  pid {status['pid']}  mato {status['mato']}  epoch {status['epoch']}")
    output.say(
        f"{status['sessions']} sessions, {status['agents']} agents:"
        f" {status['working']} working, {status['blocked']} blocked;"
        f" {status['clients']} clients"
    )
    if other := differs(__version__, status["mato"], status["protocol"]):
        output.say(other)
        output.say("`mato daemon restart` brings it up to date")
    output.say(f"journal {status['journal_bytes'] / 1e6:.1f} MB in {status['state']}")
    output.say(f"socket {status['socket']}")
    if tier := status.get("sandbox"):
        output.say(f"commands run in the sandbox tier {tier}")
    if paused := status.get("paused"):
        output.say(f"paused: {paused}; free some space, or say `mato resume`")
    return 0
