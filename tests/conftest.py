"""Fixtures that every wing's tests may use."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _corpus() -> ModuleType:
    """`tests/hostile/corpus.py`; tests are no package, so it is loaded by its path, once."""
    name = "hostile_corpus"
    if name not in sys.modules:
        path = Path(__file__).parent / "hostile" / "corpus.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def hostile_texts() -> tuple[Any, ...]:
    """Hostile texts, each with `name`, `cls`, `text` and `why`; see `tests/hostile/corpus.py`."""
    return _corpus().hostile_texts()
