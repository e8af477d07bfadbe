"""Every way out is tried in every tier; the control tries them with nothing around."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mato.sandbox import checks
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer, Tier

_PYTHON = "/usr/bin/python3"
_ROOT = Path(__file__).parents[3]


def test_no_attempt_gets_out_of_a_tier(tier: Tier, offer: Offer) -> None:
    results = checks.run(Sandbox.of(offer, (), Path("/nonexistent")), tier)
    assert len(results) >= 35
    assert [result for result in results if not result.blocked] == []


def test_the_control_gets_out_where_nothing_is_around(offer: Offer) -> None:
    # What the machine itself refuses (rights of root, io_uring switched off …) counts for nobody.
    maybe = {
        "raw socket", "socket to the hypervisor", "open the terminal", "mount", "io_uring",
        "nested user namespace", "nested network namespace", "keys of the kernel",
        "type into a terminal (TIOCSTI)", "gain rights by setuid", "keep capabilities",
        "write into the system", "trace a process outside",
    }  # fmt: skip
    results = checks.run(Sandbox.of(offer, (), Path("/nonexistent")), "none")
    held = {result.name for result in results if result.blocked} - maybe
    assert held == set(), [result for result in results if result.name in held]


@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user already")
@pytest.mark.parametrize("tier", ["full", "partial"])
def test_no_attempt_gets_out_for_an_ordinary_user_either(
    tier: Tier, offer: Offer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if tier not in offer.works or not _fits(_PYTHON):
        pytest.skip("not offered here, or no such Python that everybody may run")
    # The sources alone, where anybody may read them: the ordinary user has no environment of ours.
    folder = Path(tmp_path_factory.mktemp("anybody"))
    for above in (folder, *folder.parents):
        if above.stat().st_uid == 0 and above.is_relative_to("/tmp/"):
            above.chmod(0o755)
    for name in ("mato", "mato_sessions"):
        origin = _ROOT / name if name == "mato" else _ROOT / "sessions" / name
        shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    library = Path(next(p for p in sys.path if p.endswith("site-packages")))
    for name in ("msgspec", "h11"):
        shutil.copytree(library / name, folder / name)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mato.sandbox import checks\n"
        "from mato.sandbox.sandbox import Sandbox\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "found = checks.run(Sandbox(), sys.argv[1])\n"
        "open_ = [each for each in found if not each.blocked]\n"
        "print(len(found), open_)\n"
    )
    done = subprocess.run(
        [_PYTHON, "-c", code, tier],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{len(checks.CHECKS)} []"


def _fits(python: str) -> bool:
    """Whether this Python can load what is compiled for ours."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout.split() == [str(each) for each in sys.version_info[:2]]
