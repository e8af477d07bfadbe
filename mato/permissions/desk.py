"""The policy of one agent: rules, sandbox and what people have allowed, asked about one call."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from mato.permissions.grants import Standing, covering, patterns, words
from mato.permissions.policy import Decision, Question, Tier, decide
from mato.permissions.rules import Rule, Subject, binding
from mato.permissions.taint import Taint
from mato.shell import judge
from mato.shell.paths import protected
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode


class Policy(msgspec.Struct, frozen=True):
    """What is settled about an agent before its first call."""

    rules: tuple[Rule, ...] = ()
    agent: str = ""
    """Its profile's name, as rules name it."""
    name: str = ""
    """Its own name in the session, which rules may name too."""
    above: tuple[str, ...] = ()
    """The names of the agents that it was started by, whose rules hold for it too."""
    session: str = ""
    """The session's id, as rules name it."""
    tier: Tier = "none"
    bare: bool = False
    """Whether nothing is around a command and nobody said that this is wanted: then each asks."""
    watched: bool = True
    """Whether marks count. Where commands may run unconfined by choice, mode and rules decide."""
    seen: Taint = Taint()
    """What the agent is marked with from its start: its folder may be a stranger's."""
    folder: str = ""
    """The workspace, so that a path in it is the same however it is written."""
    networked: bool = False
    """Whether commands reach some host from inside the sandbox."""
    standing: Callable[[], Standing] = Standing
    """What people have said since; asked anew for every call."""

    def decide(self, mode: Mode, action: Action, resource: str, taint: Taint) -> Decision:
        """What is to happen with a call of that resource."""
        marks = taint | self.seen if self.watched else Taint()
        subject = Subject(action, resource, self.agent, self.session, self.name)
        rule = binding(self.rules, subject, self.above)
        now = self.standing()
        held = self.tier == "full"
        about = self._relative(resource) if action == "write" else resource
        grant = covering(now.grants, action, about, held=held)
        decision = decide(
            Question(
                mode=mode,
                action=action,
                tier=self.tier,
                command=judge(resource).kind if action == "execute" else "unknown",
                rule=rule.effect if rule else None,
                private=marks.private,
                untrusted=marks.untrusted,
                granted=grant is not None,
                killed=now.killed,
                bare=self.bare,
                guarded=action == "write" and protected(about),
                networked=self.networked,
            )
        )
        decision = replace(decision, marks=marks)
        if decision.by == "rule" and rule is not None:
            return replace(decision, rule=f"rule: {rule.says()}")
        if decision.by == "grant" and grant is not None:
            return replace(decision, rule=f"allowed before: {grant.words}", grant=grant.grant)
        if decision.effect == "ask" and decision.by == "mode":
            found = patterns(action, about, held=held)
            return replace(decision, patterns=found, lasting=words(found))
        return decision

    def _relative(self, path: str) -> str:
        inside = f"{self.folder.rstrip('/')}/"
        return path.removeprefix(inside) if len(inside) > 1 else path
