"""What a process of Mato's own is made of, for those that run inside of a sandbox."""

from __future__ import annotations

import site
import sys
from pathlib import Path

import mato
import mato_sessions
from mato.sandbox.tier import Tier
from mato_sessions.events.agent import Hole


def with_own(hole: Hole, tier: Tier) -> Hole:
    """`hole`, and the Python and packages of this very program to read."""
    packages = (*mato.__path__, *mato_sessions.__path__)
    if tier == "partial":  # where a folder is not hidden but closed, Python cannot look through it
        packages = tuple(str(Path(package).parent) for package in packages)
    places = {sys.prefix, sys.base_prefix, *site.getsitepackages(), *packages}
    # What every command sees needs no hole.
    own = tuple(sorted(place for place in places if place != "/usr"))
    return Hole((*hole.read, *own), hole.write, hole.network, hole.env)
