"""Arrangements are sent until what was sent is what there is."""

from __future__ import annotations

from mato_panes.layout.saving import Saving, Windows
from mato_sessions.events.session import PaneNode, WindowNode


def windows(name: str) -> Windows:
    return (WindowNode("w1", name, PaneNode("p1", "a1")),)


async def test_what_changes_while_it_is_sent_is_sent_too() -> None:
    now = windows("one")
    sent: list[Windows] = []

    async def send(session: str, them: Windows) -> None:
        nonlocal now
        assert session == "s1"
        sent.append(them)
        if len(sent) == 1:
            now = windows("two")

    saving = Saving(lambda: ("s1", now), send)
    assert saving.changed()
    assert not saving.changed()
    await saving.save()
    assert sent == [windows("one"), windows("two")]
    assert not saving.unsent


async def test_nothing_is_sent_when_nothing_was_changed() -> None:
    sent: list[Windows] = []

    async def send(session: str, them: Windows) -> None:
        sent.append(them)

    await Saving(lambda: ("s1", windows("one")), send).save()
    assert sent == []
