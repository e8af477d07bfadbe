"""Fixtures for tests of what a person sees."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The first example of a property may have to load a lexer or wait for a busy machine.
settings.register_profile("panes", deadline=None)
settings.load_profile("panes")


def _chat() -> ModuleType:
    """`chat_scene.py`; tests are no package, so it is loaded by its path, once."""
    name = "chat_scene"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def chat() -> ModuleType:
    """An agent's work as events, and an app with nothing but its panes; see `chat_scene.py`."""
    return _chat()
