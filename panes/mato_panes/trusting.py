"""Whether the attached session's folder is trusted: the notice, and the screen that shows why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mato.protocol.trusting import FolderStanding, LookAtFolder, TrustFolder
from mato_panes.bindings import shortest
from mato_panes.screens.trust import Trust
from mato_panes.widgets.notice import Notice
from mato_sessions.errors import MatoError

if TYPE_CHECKING:
    from mato_panes.app import MatoApp


class Trusting:
    """One workspace's view of trust. It asks when a session is attached and when a person comes."""

    def __init__(self, app: MatoApp) -> None:
        self._app = app
        self._hidden: set[str] = set()
        """Digests of what a person does not want to be told of again."""

    async def look(self) -> None:
        """Say in the notice how the folder stands, where there is something to say."""
        session = self._app.workspace.session
        if session is None:
            return
        try:
            standing = await self._app.asking.quietly(LookAtFolder(cwd=session.cwd))
        except MatoError:  # the daemon is away, or older than this question
            return
        still = self._app.workspace.session
        if still is not None and still.id == session.id:
            self._show(standing)

    def _show(self, standing: FolderStanding) -> None:
        self._say("" if standing.digest in self._hidden else standing.sentence)

    def _say(self, sentence: str) -> None:
        hint = f"{shortest('trust', self._app.prefix.key)} shows it"
        self._app.workspace.query_one(Notice).show(sentence, hint if sentence else "")

    async def show(self) -> None:
        """The screen; with the person's yes the folder is trusted as it was shown."""
        session = self._app.workspace.session
        if session is None:
            return
        standing = await self._app.asking.answer(LookAtFolder(cwd=session.cwd))
        if standing is None:
            return
        answer = await self._app.ask(Trust(standing))
        if answer == "hide":
            self._hidden.add(standing.digest)
        self._show(standing)
        if answer == "trust":
            wish = TrustFolder(cwd=session.cwd, digest=standing.digest)
            if (trusted := await self._app.asking.answer(wish)) is not None:
                self._show(trusted)
                self._app.workspace.say("trusted as it is now; it instructs new agents")
