"""All models of a daemon: made when first asked for, shared by its agents, closed together."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from mato.models.base import Model, ModelChoice
from mato.models.recorded import RecordedModel
from mato.models.recorded import load as load_recording
from mato.models.scripted import ScriptedModel
from mato.models.scripted import load as load_script
from mato.models.worker import WorkerModel
from mato_sessions.errors import ConfigError

EMBEDDED = "embedded"
_SCRIPTED = "scripted:"
_RECORDED = "recorded:"

_LITELLM_IDLE_S = 15 * 60.0
"""Its import costs 5 to 10 CPU-seconds and it holds 160 MB."""
_EMBEDDED_IDLE_S = 30 * 60.0


class Models(Protocol):
    """Where agents get their models from."""

    def get(self, choice: ModelChoice) -> Model:
        """The model of that choice.

        Raises:
            MatoError: there is no such model; one sentence.
        """
        ...


class Sources:
    """The `Models` of a daemon; an async context manager, entered and left by the same task.

    `child_started(pid, purpose)` is told of every model process, and its result is called when
    that has ended. `embedded` finds the embedded model's weights; None: they are not here.
    """

    def __init__(
        self,
        child_started: Callable[[int, str], Callable[[], None]],
        embedded: Callable[[], Path | None] | None = None,
        python: str = sys.executable,
    ) -> None:
        self._child_started = child_started
        self._embedded = embedded
        self._python = python
        self._group = asyncio.TaskGroup()
        self._made: dict[str, Model] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        await self.close()
        return await self._group.__aexit__(kind, error, trace)

    def get(self, choice: ModelChoice) -> Model:
        """See `Models.get`."""
        model = choice.model
        kind = model if model == EMBEDDED or model.startswith((_SCRIPTED, _RECORDED)) else "litellm"
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    async def close(self) -> None:
        """End all model processes. Idempotent."""
        made, self._made = list(self._made.values()), {}
        for model in made:
            await model.close()

    def _make(self, kind: str) -> Model:
        if kind.startswith(_SCRIPTED):
            return ScriptedModel(load_script(_file(kind, _SCRIPTED)))
        if kind.startswith(_RECORDED):
            return RecordedModel(load_recording(_file(kind, _RECORDED)))
        if kind == EMBEDDED:
            arguments = ("-m", "mato.models.embedded.server", str(self._weights()))
            return self._worker(EMBEDDED, arguments, _EMBEDDED_IDLE_S)
        return self._worker("litellm", ("-m", "mato.models.litellm_process"), _LITELLM_IDLE_S)

    def _weights(self) -> Path:
        find = self._embedded
        if find is None:
            from mato.models.embedded.fetch import locate  # costs, and few need it

            find = locate
        weights = find()
        if weights is None:
            raise ConfigError(
                "the embedded model is not on this machine; fetch it with "
                "`python -m mato.models.embedded.fetch`, or choose another with --model"
            )
        return weights

    def _worker(self, name: str, arguments: Sequence[str], idle_s: float) -> WorkerModel:
        command = (self._python, *arguments)
        return WorkerModel(name, command, self._group, self._child_started, idle_s)


def _file(kind: str, prefix: str) -> Path:
    path = Path(kind.removeprefix(prefix))
    if not path.is_absolute():
        raise ConfigError(f"{kind!r} names no absolute path; give the file's whole path")
    return path
