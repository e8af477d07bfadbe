"""The inference engine: llama.cpp's server inside this process, spoken to over a private socket.

The socket is a Unix socket in a folder of mode 0700, and every start has an API key of its own; no
TCP port is opened.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import httpx

from mato.models.base import ModelFault, Usage
from mato.models.embedded.prompt import Turn

SLOTS = 4
SLOT_TOKENS = 3072
_PREFIXES_KEPT = 8
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Generated:
    """A piece of what is generated. The last one has a finish and the usage."""

    text: str = ""
    finish: str = ""
    usage: Usage = field(default_factory=Usage)


class Engine(Protocol):
    """What the server needs of an inference engine."""

    async def tokens(self, turns: Sequence[Turn]) -> int:
        """Length of the prompt, in tokens."""
        ...

    def key(self, turns: Sequence[Turn]) -> str:
        """Names the prefilled state of these turns, for this model and these parameters."""
        ...

    async def restore(self, key: str, slot: int) -> bool:
        """Load a saved prefix into a slot. False when there is none."""
        ...

    async def prefill(self, turns: Sequence[Turn], key: str, slot: int) -> None:
        """Read these turns into a slot, and save them under `key`."""
        ...

    def generate(
        self,
        turns: Sequence[Turn],
        schema: Mapping[str, Any] | None,
        parameters: Mapping[str, Any],
        slot: int,
    ) -> AsyncGenerator[Generated]:
        """The continuation. Closing the generator stops the work at once.

        Raises:
            ModelFault: "context" when it does not fit, "refused" when the schema or a parameter
                is not understood, "server" for anything else.
        """
        ...


class Llama:
    """An `Engine` on xllamacpp."""

    def __init__(
        self, server: object, client: httpx.AsyncClient, prefixes: Path, name: str
    ) -> None:
        """Use `load`."""
        self._server = server  # the native server ends with this object
        self._client = client
        self._prefixes = prefixes
        self._name = name

    async def tokens(self, turns: Sequence[Turn]) -> int:
        template = await self._post("/apply-template", {"messages": _messages(turns)})
        counted = await self._post(
            "/tokenize", {"content": template["prompt"], "parse_special": True}
        )
        return len(counted["tokens"])

    def key(self, turns: Sequence[Turn]) -> str:
        text = json.dumps([self._name, *_messages(turns)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    async def restore(self, key: str, slot: int) -> bool:
        saved = self._prefixes / f"{key}.kv"
        if not saved.exists():
            return False
        answer = await self._client.post(
            f"/slots/{slot}?action=restore", json={"filename": saved.name}
        )
        if answer.status_code != 200:
            saved.unlink(missing_ok=True)  # of another build, or damaged: made again
            return False
        os.utime(saved)
        return True

    async def prefill(self, turns: Sequence[Turn], key: str, slot: int) -> None:
        # One token is the least that can be asked for; the next request of the slot drops it.
        messages = [*_messages(turns), {"role": "user", "content": "."}]
        await self._post(
            "/v1/chat/completions", {"messages": messages, "max_tokens": 1, "id_slot": slot}
        )
        unfinished = f"{key}.{os.getpid()}"
        await self._post(f"/slots/{slot}?action=save", {"filename": unfinished})
        (self._prefixes / unfinished).replace(self._prefixes / f"{key}.kv")
        kept = sorted(self._prefixes.glob("*.kv"), key=lambda one: one.stat().st_mtime)
        for stale in kept[:-_PREFIXES_KEPT]:
            stale.unlink(missing_ok=True)

    async def generate(
        self,
        turns: Sequence[Turn],
        schema: Mapping[str, Any] | None,
        parameters: Mapping[str, Any],
        slot: int,
    ) -> AsyncGenerator[Generated]:
        body: dict[str, Any] = {
            **parameters,
            "messages": _messages(turns),
            "id_slot": slot,
            "cache_prompt": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": schema, "strict": True},
            }
        finish, usage = "", Usage()
        try:
            async with aclosing(self._events(body)) as events:
                async for event in events:
                    if event.get("usage"):
                        usage = _usage(event["usage"])
                    for choice in event.get("choices", ()):
                        finish = choice.get("finish_reason") or finish
                        if text := choice.get("delta", {}).get("content"):
                            yield Generated(text)
        except httpx.HTTPError as error:
            raise _stopped(error) from error
        yield Generated("", finish or "cut", usage)

    async def _events(self, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The server-sent events of a completion."""
        answer = await self._send(body)
        async with aclosing(answer):
            if answer.status_code != 200:
                raise _fault(await answer.aread())
            async for line in answer.aiter_lines():
                if line.startswith("error:"):
                    raise _fault(line.removeprefix("error:").encode())
                if not line.startswith("data: {"):
                    continue
                event = cast("dict[str, Any]", json.loads(line.removeprefix("data: ")))
                if "error" in event:
                    raise _fault(line.removeprefix("data: ").encode())
                yield event

    async def _send(self, body: Mapping[str, Any]) -> httpx.Response:
        for _ in range(_TRIES - 1):
            request = self._client.build_request("POST", "/v1/chat/completions", json=body)
            # Dropped before any answer: nothing has been shown yet, so it can be asked again.
            with suppress(httpx.RemoteProtocolError):
                return await self._client.send(request, stream=True)
        request = self._client.build_request("POST", "/v1/chat/completions", json=body)
        return await self._client.send(request, stream=True)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise _stopped(error) from error
        if answer.status_code != 200:
            raise _fault(answer.content)
        return cast("dict[str, Any]", answer.json())


async def load(model: Path, prefixes: Path, runtime: Path, threads: int) -> Llama:
    """The model at `model`, ready to serve.

    `prefixes` keeps prefilled prompts between starts; `runtime` gets a folder for the socket.

    Raises:
        ModelFault: the file is no model that this build can run.
    """
    _sweep(runtime)
    folder = runtime / f"llama-{os.getpid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    key = secrets.token_urlsafe(24)
    socket = folder / "s.sock"
    server = await asyncio.to_thread(_start, model, prefixes, socket, key, threads)
    client = httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(socket)),
        base_url="http://embedded",
        # llama.cpp closes idle connections without a word; one that is used again at that moment
        # fails. A Unix socket costs nothing to open.
        headers={"Authorization": f"Bearer {key}", "Connection": "close"},
        timeout=httpx.Timeout(None, connect=10),
        limits=httpx.Limits(max_keepalive_connections=0),
    )
    info = await asyncio.to_thread(model.stat)
    # A saved state is only valid for the same weights, build and layout of slots.
    identity = (model.name, info.st_size, info.st_mtime_ns, _version(), SLOTS, SLOT_TOKENS)
    return Llama(server, client, prefixes, repr(identity))


def unload(runtime: Path) -> None:
    """Remove this process's socket folder."""
    shutil.rmtree(runtime / f"llama-{os.getpid()}", ignore_errors=True)


def _sweep(runtime: Path) -> None:
    for left in runtime.glob("llama-*"):
        if not Path("/proc", left.name.removeprefix("llama-")).exists():
            shutil.rmtree(left, ignore_errors=True)


def _start(model: Path, prefixes: Path, socket: Path, key: str, threads: int) -> object:
    # Idle OpenMP threads spin by default: with two busy processes, 60 tokens/s become 2.
    os.environ["OMP_WAIT_POLICY"] = "passive"
    import xllamacpp  # pyright: ignore[reportMissingTypeStubs]

    native = cast("Any", xllamacpp)
    parameters = native.CommonParams()
    parameters.model.path = str(model)
    parameters.hostnames = [str(socket)]
    parameters.api_keys = [key]
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * SLOT_TOKENS
    parameters.cpuparams.n_threads = threads
    parameters.cpuparams_batch.n_threads = threads
    parameters.slot_save_path = f"{prefixes}/"
    parameters.cache_ram_mib = 0
    parameters.use_jinja = True
    parameters.offline = True
    parameters.ui = False
    parameters.fit_params = False
    parameters.warmup = False
    parameters.verbosity = -1
    try:
        return native.Server(parameters)
    except Exception as error:
        raise ModelFault(
            "process",
            f"{str(model)!r} cannot be loaded ({error}); delete it and run `mato model` again",
        ) from error


def _version() -> str:
    from importlib.metadata import version

    return version("xllamacpp")


def _messages(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _usage(given: Mapping[str, Any]) -> Usage:
    details = cast("Mapping[str, Any]", given.get("prompt_tokens_details") or {})
    return Usage(
        input=int(given.get("prompt_tokens", 0)),
        output=int(given.get("completion_tokens", 0)),
        cached=int(details.get("cached_tokens", 0)),
        cost_usd=0.0,
    )


def _stopped(error: httpx.HTTPError) -> ModelFault:
    return ModelFault("server", f"the embedded model stopped answering ({error})")


def _fault(answer: bytes) -> ModelFault:
    try:
        error = json.loads(answer)["error"]
        kind, message = str(error.get("type", "")), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        kind, message = "", answer[:200].decode(errors="replace")
    if kind == "exceed_context_size_error":
        return ModelFault("context", f"the prompt does not fit the embedded model: {message}")
    fault = "refused" if kind == "invalid_request_error" else "server"
    return ModelFault(fault, f"the embedded model failed: {message}")


def threads_here() -> int:
    """Cores for the model: all that this process may use but one, which the workspace needs."""
    return max(1, len(os.sched_getaffinity(0)) - 1)
