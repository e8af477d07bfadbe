"""The sandbox of a daemon: tried once, then it confines every command as its settings say."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mato.sandbox.confinement import Confinement
from mato.sandbox.standins import StandIns
from mato.sandbox.tier import Offer, Tier, probe
from mato_sessions.errors import ConfigError, UsageError
from mato_sessions.events.agent import Hole
from mato_sessions.events.session import Mode

_CLOSED = Hole()
Wanted = Literal["auto", "full", "partial", "none"]


class Sandbox:
    """What this machine offers, found in a thread of its own from the first moment on.

    `hidden` are folders that no command sees (journal, socket, configuration); what a command had
    planted is moved into the folder `aside`.
    """

    def __init__(self, hidden: Sequence[Path] = (), aside: Path = Path("/nonexistent")) -> None:
        self._hidden = tuple(hidden)
        self._aside = aside
        self._stand_ins = StandIns()
        self._offer: Offer | None = None
        self._trying: threading.Thread | None = threading.Thread(
            target=self._try, name="mato-sandbox", daemon=True
        )
        self._trying.start()

    @classmethod
    def of(cls, offer: Offer, hidden: Sequence[Path], aside: Path) -> Sandbox:
        """One for which the trial was made before."""
        made = cls.__new__(cls)
        made._hidden, made._aside = tuple(hidden), aside
        made._stand_ins = StandIns()
        made._offer = offer
        made._trying = None
        return made

    def _try(self) -> None:
        self._offer = probe()

    def offer(self) -> Offer:
        """What was found. Waits for the trial: not for the loop."""
        if self._trying is not None:
            self._trying.join()
        if self._offer is None:
            return Offer("none", ("none",), ("the trial run failed",))
        return self._offer

    def tier(self, wanted: Wanted = "auto") -> Tier:
        """The tier in force.

        Raises:
            ConfigError: the tier that the settings want does not work here.
        """
        offer = self.offer()
        if wanted == "auto":
            return offer.tier
        if wanted not in offer.works:
            why = "; ".join(r for r in offer.reasons if r.startswith(f"{wanted}:")) or "no reason"
            raise ConfigError(
                f"the setting sandbox.tier is {wanted!r}, which does not work here ({why}); "
                "set it to 'auto', or mend that: `mato doctor --sandbox` shows what works"
            )
        return wanted

    def confine(
        self, wanted: Wanted = "auto", named: Sequence[str] = (), hole: Hole = _CLOSED
    ) -> Confinement:
        """For one command; `named` are variables that it may have besides the usual ones.

        Raises:
            ConfigError: see `tier`; or the hole has a network, which only `full` can open in part.
        """
        tier = self.tier(wanted)
        if hole.network and tier == "partial":
            raise ConfigError(
                f"a network to {', '.join(hole.network)} alone needs the sandbox's tier 'full', "
                "and here there is 'partial'; `mato doctor --sandbox` says why"
            )
        return Confinement(
            self.offer(), tier, self._hidden, self._aside, self._stand_ins, named, hole
        )

    def check(self, mode: Mode, wanted: Wanted, *, unconfined: bool) -> None:
        """Hold a mode against the tier.

        Raises:
            UsageError: commands would run unasked with nothing around them.
            ConfigError: see `tier`.
        """
        if mode in ("edit", "full") and not unconfined and self.tier(wanted) == "none":
            why = "; ".join(self.offer().reasons) or "it is switched off in the settings"
            raise UsageError(
                f"mode {mode!r} needs a sandbox, and there is none ({why}); use --mode ask, or say "
                "that commands may run unconfined with --unconfined"
            )
