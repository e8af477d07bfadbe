"""The commands that test and build a project, with the options that are known.

They run code of the project, so they are never harmless. But each runs what it is for: an option
that names another program, a configuration or a plugin (`-exec`, `--config`, `-p`) is not listed.
"""

from __future__ import annotations

import re

import msgspec

from mato.shell.table import Rule, Value


class Project(msgspec.Struct, frozen=True):
    """A command of a project."""

    key: str
    """What a grant names it by: with its sub-command, target or script."""
    rest: tuple[str, ...] = ()
    """The words after that."""
    rule: Rule | None = None
    """What those may be; None: whatever the script wants."""


def _texts(*names: str) -> dict[str, Value]:
    return dict.fromkeys(names, "text")


def _flags(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_PYTEST = Rule(
    "path", "qvxsl",
    _flags("--lf --ff --last-failed --failed-first --co --collect-only --no-header --no-summary"
           " --sw --stepwise --showlocals --quiet --verbose --exitfirst --strict-markers --cov"
           " --no-cov --setup-show --disable-warnings"),
    {**_texts("-k", "-m", "-n", "-r", "--tb", "--cov", "--cov-report", "--color", "--ignore"),
     "--maxfail": "number", "--durations": "number", "--timeout": "number"},
)  # fmt: skip
_UNITTEST = Rule("path", "vqfb", _flags("--verbose --failfast"), _texts("-k", "-s"))
_RUFF = Rule(
    "path", "q",
    _flags("--fix --no-fix --diff --check --quiet --statistics --preview --unsafe-fixes"),
    _texts("--select", "--ignore", "--extend-select", "--output-format", "--target-version"),
)  # fmt: skip
_MYPY = Rule("path", "v", _flags("--strict --pretty --no-incremental --show-error-codes"))
_BLACK = Rule("path", "qv", _flags("--check --diff --quiet"), {"-l": "number"})
_JEST = Rule(
    "path", "i", _flags("--coverage --verbose --silent --ci --runInBand --run --passWithNoTests"),
    _texts("-t", "--testNamePattern", "--watch"),
)  # fmt: skip
_CARGO = Rule(
    "path", "qv",
    _flags("--release --workspace --all --all-targets --all-features --no-default-features --lib"
           " --bins --tests --examples --doc --no-run --quiet --verbose --locked --offline --frozen"
           " --check --features --test --bin --example --package --no-fail-fast"),
    {**_texts("-p", "--features", "--test", "--bin", "--example", "--package"), "-j": "number"},
)  # fmt: skip
_GO = Rule(
    "path", "v", _flags("-race -short -cover -a -n -x -failfast -benchmem"),
    _texts("-run", "-bench", "-count", "-timeout", "-tags", "-o"),
)  # fmt: skip
_SCRIPTS = Rule("path", "s", _flags("--silent --if-present --workspaces"), _texts("-w"))
_BUILD = Rule("path", "qv", _flags("--quiet --verbose --offline --info --no-daemon -DskipTests"))
_HEADS: dict[str, Rule] = {
    "pytest": _PYTEST,
    "ruff": _RUFF,
    "mypy": _MYPY,
    "pyright": Rule("path", "", _flags("--warnings --stats --outputjson --verbose")),
    "tox": Rule("none", "qvr", values=_texts("-e")),
    "nox": Rule("none", "lr", values=_texts("-s", "-k")),
    "tsc": Rule("path", "bw", _flags("--noEmit --build --pretty --watch"), _texts("-p")),
    "eslint": Rule(
        "path", "", _flags("--fix --quiet --cache"), {"--ext": "text", "--max-warnings": "number"}
    ),
    "prettier": Rule("path", "cwl", _flags("--check --write --list-different")),
    "jest": _JEST,
    "vitest": _JEST,
    "black": _BLACK,
    "isort": Rule("path", "cq", _flags("--check --check-only --diff --quiet")),
    "flake8": Rule(
        "path", "qv", _flags("--statistics --count"),
        {**_texts("--select", "--ignore"), "--max-line-length": "number"},
    ),
    "ctest": Rule(
        "none", "VN", _flags("--output-on-failure"),
        {**_texts("-R", "-E", "-L", "--test-dir"), "-j": "number"},
    ),
    "cmake": Rule("path", "", _flags("--build --fresh"), {
        **_texts("-S", "-B", "--target", "--config"), "-j": "number",
    }),
    "ninja": Rule("path", "vn", values={**_texts("-C"), "-j": "number"}),
    "phpunit": Rule("path", "v", _flags("--verbose --testdox"), _texts("--filter")),
    "rspec": Rule("path", "", _flags("--color --fail-fast"), _texts("-f", "-e")),
}  # fmt: skip
_FIRST: dict[str, tuple[str, ...]] = {"ruff": ("check", "format")}
"""What the first word after a head has to be."""
_SUB: dict[str, tuple[frozenset[str], Rule]] = {
    "cargo": (
        frozenset(("build", "test", "check", "clippy", "fmt", "run", "bench", "doc")),
        _CARGO,
    ),
    "go": (frozenset(("build", "test", "vet", "fmt", "run")), _GO),
    "npm": (frozenset(("test", "start")), _SCRIPTS),
    "pnpm": (frozenset(("test", "build", "lint")), _SCRIPTS),
    "yarn": (frozenset(("test", "build", "lint")), _SCRIPTS),
    "mvn": (frozenset(("test", "compile", "package")), _BUILD),
    "gradle": (frozenset(("test", "build")), _BUILD),
}
_MODULES: dict[str, Rule] = {
    "pytest": _PYTEST,
    "unittest": _UNITTEST,
    "mypy": _MYPY,
    "ruff": _RUFF,
    "black": _BLACK,
    "compileall": Rule("path", "qf"),
    "build": Rule("path", "wsn", _flags("--wheel --sdist --no-isolation")),
    "coverage": Rule("path", "m", _flags("--branch --show-missing"), _texts("--source", "-m")),
}
_SCRIPT = re.compile(r"[\w][\w./-]*\.(?:py|m?js)")
_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]*")
_JOBS = re.compile(r"-(?:j\d{0,3}|[sk])").fullmatch
"""Options of make that only say how it works."""


def project(argv: tuple[str, ...]) -> Project | None:
    """The command of a project that these words are, if they are one."""
    match argv:
        case (("uv" | "poetry") as name, "run", *inner) if inner:
            found = project(tuple(inner))
            return found and Project(f"{name} run {found.key}", found.rest, found.rule)
        case (("npm" | "pnpm" | "yarn") as name, "run", target, *rest):
            if not _TARGET.fullmatch(target):
                return None
            return Project(f"{name} run {target}", tuple(rest), _SCRIPTS)
        case (("python" | "python3") as name, "-m", module, *rest) if module in _MODULES:
            return Project(f"{name} -m {module}", tuple(rest), _MODULES[module])
        case (("python" | "python3" | "node") as name, script, *_) if _SCRIPT.fullmatch(script):
            return Project(f"{name} {script}")
        case ("make", *words) if all(_TARGET.fullmatch(word) or _JOBS(word) for word in words):
            return Project(" ".join(word for word in argv if not _JOBS(word)))
        case (name, word, *rest) if name in _SUB:
            words, rule = _SUB[name]
            return Project(f"{name} {word}", tuple(rest), rule) if word in words else None
        case (name, *rest) if name in _HEADS:
            if name in _FIRST and rest[:1] and rest[0] not in _FIRST[name]:
                return None
            return Project(name, tuple(rest), _HEADS[name])
        case _:
            return None
