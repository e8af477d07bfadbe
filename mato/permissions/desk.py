"""The policy of one agent: its rules and the sandbox's tier, asked about one call at a time."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from mato.permissions.policy import Decision, Question, Tier, decide
from mato.permissions.rules import Rule, Subject, strongest
from mato.permissions.taint import Taint
from mato.shell import judge
from mato_sessions.events.permission import Action
from mato_sessions.events.session import Mode


class Policy(msgspec.Struct, frozen=True):
    """What is settled about an agent before its first call."""

    rules: tuple[Rule, ...] = ()
    agent: str = ""
    """Its profile's name, as rules name it."""
    session: str = ""
    """The session's id, as rules name it."""
    tier: Tier = "none"
    bare: bool = False
    """Whether nothing is around a command and nobody said that this is wanted: then each asks."""
    watched: bool = True
    """Whether marks count. Where commands may run unconfined by choice, mode and rules decide."""
    seen: Taint = Taint()
    """What the agent is marked with from its start: its folder may be a stranger's."""

    def decide(self, mode: Mode, action: Action, resource: str, taint: Taint) -> Decision:
        """What is to happen with a call of that resource."""
        marks = taint | self.seen if self.watched else Taint()
        subject = Subject(action, resource, self.agent, self.session)
        rule = strongest(self.rules, subject)
        question = Question(
            mode=mode,
            action=action,
            tier=self.tier,
            command=judge(resource).kind if action == "execute" else "unknown",
            rule=rule.effect if rule else None,
            private=marks.private,
            untrusted=marks.untrusted,
        )
        decision = decide(question)
        if self.bare and action == "execute" and decision.effect == "allow":
            return Decision("ask", f"no sandbox: commands ask in mode {mode} too")
        if rule is not None and "rule" in decision.rule.split():
            return replace(decision, rule=f"rule: {rule.says()}")
        return decision
