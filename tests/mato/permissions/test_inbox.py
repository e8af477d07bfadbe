"""Calls that wait for a person."""

from __future__ import annotations

import asyncio

import pytest

from mato.permissions.inbox import Answer, Inbox, Request
from mato_sessions.errors import UnknownName


def request(call: str, session: str = "s-1") -> Request:
    return Request(
        call=call,
        session=session,
        agent="a-1",
        tool="shell",
        action="execute",
        resource="make test",
        arguments={"command": "make test"},
    )


async def test_an_answer_reaches_the_call_that_waits():
    inbox = Inbox()
    waiting = inbox.ask(request("c-1"))
    assert [r.call for r in inbox.waiting()] == ["c-1"]
    assert inbox.answer("c-1", True, "approved in the pane").tool == "shell"
    assert await waiting == Answer(True, "person", "approved in the pane")
    assert inbox.waiting() == ()


async def test_the_second_answer_loses_and_is_told_so():
    inbox = Inbox()
    waiting = inbox.ask(request("c-1"))
    inbox.answer("c-1", False, "denied by mato deny")
    with pytest.raises(UnknownName, match=r"already answered \(denied by mato deny\)"):
        inbox.answer("c-1", True, "approved in the pane")
    assert (await waiting).allowed is False


async def test_an_unknown_call_is_refused_and_the_nearest_is_named():
    inbox = Inbox()
    with pytest.raises(UnknownName, match="the inbox is empty"):
        inbox.answer("c-1", True, "")
    waiting = inbox.ask(request("c-06c8x1k2mv"))
    with pytest.raises(UnknownName, match="did you mean 'c-06c8x1k2mv'"):
        inbox.answer("c-06c8x1k2mx", True, "")
    inbox.cancel("c-06c8x1k2mv")
    assert (await waiting).by == "cancel"


async def test_a_cancelled_call_is_denied_and_a_late_answer_is_refused():
    inbox = Inbox()
    waiting = inbox.ask(request("c-1"))
    inbox.cancel("c-1")
    assert await waiting == Answer(False, "cancel", "the turn ended while it waited")
    with pytest.raises(UnknownName, match="already answered"):
        inbox.answer("c-1", True, "")
    inbox.cancel("c-1")


async def test_cancelling_the_task_that_waits_takes_the_call_off_the_list():
    inbox = Inbox()
    asked = asyncio.Event()

    async def agent() -> None:
        waiting = inbox.ask(request("c-1"))
        asked.set()
        await waiting

    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent())
        await asked.wait()
        task.cancel()
    assert inbox.waiting() == ()
    with pytest.raises(UnknownName, match="waiting"):
        inbox.answer("c-1", True, "")


async def test_an_answer_in_the_moment_of_a_cancel_is_refused():
    inbox = Inbox()
    waiting = inbox.ask(request("c-1"))
    waiting.cancel()  # its callbacks have not run yet
    assert inbox.waiting() == ()
    with pytest.raises(UnknownName, match="the inbox is empty"):
        inbox.answer("c-1", True, "")


async def test_calls_wait_in_the_order_in_which_they_were_asked_and_by_session():
    inbox = Inbox()
    for call, session in (("c-1", "s-1"), ("c-2", "s-2"), ("c-3", "s-1")):
        inbox.ask(request(call, session))
    assert [r.call for r in inbox.waiting()] == ["c-1", "c-2", "c-3"]
    assert [r.call for r in inbox.waiting("s-1")] == ["c-1", "c-3"]
    with pytest.raises(ValueError, match="waiting already"):
        inbox.ask(request("c-1"))


async def test_a_call_may_be_asked_again_after_its_answer():
    inbox = Inbox()
    first = inbox.ask(request("c-1"))
    inbox.answer("c-1", True, "first")
    second = inbox.ask(request("c-1"))
    assert (await first).rule == "first"
    assert [r.call for r in inbox.waiting()] == ["c-1"]
    inbox.answer("c-1", False, "second")
    assert (await second).rule == "second"
