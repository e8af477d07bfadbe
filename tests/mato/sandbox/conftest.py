"""What this machine offers, and a workspace with a repository in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mato.processes import MARKER
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer, Tier, probe

Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture(scope="session")
def offer() -> Offer:
    return probe()


@pytest.fixture(params=["full", "partial"])
def tier(request: pytest.FixtureRequest, offer: Offer) -> Tier:
    """Each tier that holds anything; one that this machine does not offer is skipped."""
    if request.param not in offer.works:
        pytest.skip("; ".join(offer.reasons))
    return request.param


@pytest.fixture
def full(offer: Offer) -> Tier:
    if "full" not in offer.works:
        pytest.skip("; ".join(offer.reasons))
    return "full"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace with a repository, in a folder that holds a home and Mato's state too."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("home", "state"):
        (tmp_path / name).mkdir()
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    return folder


@pytest.fixture
def sandbox(offer: Offer, tmp_path: Path) -> Sandbox:
    return Sandbox.of(offer, (tmp_path / "state",), tmp_path / "aside")


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path, work: Path) -> Run:
    """Run a command line in a tier: exit code, what it said, what was put back."""

    def run_in(
        tier: Tier, line: str, folder: Path | None = None, **more: str
    ) -> tuple[int, str, list[str]]:
        folder = folder or work
        confinement = sandbox.confine(tier)
        path = "/usr/local/bin:/usr/bin:/bin"
        env = {"PATH": path, "HOME": str(tmp_path / "home"), MARKER: "test", **more}
        try:
            start = confinement.begin(folder, env, ["/bin/sh", "-c", line])
            assert start is not None
            done = subprocess.run(
                start.command,
                cwd=folder,
                env=start.env,
                pass_fds=start.handles,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
        finally:
            changed = confinement.end()
        return done.returncode, done.stdout, changed

    return run_in
