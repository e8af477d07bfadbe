"""Models for tests: a `Models` that gives one model to every choice."""

from __future__ import annotations

from mato.models.base import Model, ModelChoice
from mato.models.scripted import Script, ScriptedAnswer, ScriptedModel


class OneModel:
    """See `mato.models.sources.Models`; remembers what was chosen."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.chosen: list[ModelChoice] = []

    def get(self, choice: ModelChoice) -> Model:
        self.chosen.append(choice)
        return self._model


def scripted(*answers: ScriptedAnswer, repeat: bool = False) -> OneModel:
    """A model that gives these answers."""
    return OneModel(ScriptedModel(Script(answers, repeat=repeat)))
