"""The daemon as a process: started, refused twice, deaf, killed, stopped, started again."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mato.client.connection import Client
from mato.client.start import start
from mato.models.keys import VARIABLES
from mato.processes import identity
from mato.protocol.methods import (
    AgentWish,
    Events,
    ListSessions,
    NewSession,
    Prompt,
    Resume,
    Status,
    Stop,
    Wait,
)
from mato.testing.daemon import Daemon, running
from mato_sessions.codec import from_json_line
from mato_sessions.errors import DaemonError, JournalError, UsageError
from mato_sessions.events import AgentStateChanged, Event, ModelFailed, TurnEnded


async def _events(client: Client, session: str) -> list[Event]:
    result = await client.request(Events(session=session))
    return [from_json_line(line.encode()) for line in result.lines]


def _lives(pid: int) -> bool:
    """Whether it runs; one that nobody has collected yet does not."""
    found = identity(pid)
    return found is not None and found.alive


def _terminal_and_folder(pid: int) -> tuple[str, Path]:
    """Number of its terminal (0: none, proc_pid_stat(5)), and where it stands."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[4], Path(f"/proc/{pid}/cwd").resolve()


async def test_it_starts_serves_and_stops_without_a_trace(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        status = await client.request(Status())
    assert (status.pid, status.epoch, status.sessions) == (daemon.pid, 1, 0)
    await daemon.stop()
    assert not _lives(daemon.pid)
    assert daemon.leftovers() == []


async def test_it_belongs_to_no_terminal_and_to_nobody_who_started_it(daemon: Daemon) -> None:
    own = identity(daemon.pid)
    assert own is not None
    assert own.session not in (os.getsid(0), daemon.pid)
    assert own.parent != os.getpid()
    terminal, folder = await asyncio.to_thread(_terminal_and_folder, daemon.pid)
    assert (terminal, folder) == ("0", Path("/"))


async def test_a_second_daemon_is_refused_and_the_first_goes_on(daemon: Daemon) -> None:
    assert await asyncio.to_thread(start, daemon.paths, daemon.env) is False
    async with await daemon.client() as client:
        assert client.welcome.pid == daemon.pid


async def test_many_clients_at_once_start_one_daemon(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    try:
        clients = await asyncio.gather(*(Client.connect(daemon.paths) for _ in range(6)))
        pids = {client.welcome.pid for client in clients}
        for client in clients:
            await client.close()
        assert len(pids) == 1
        daemon.pid = pids.pop()
    finally:
        await daemon.stop()


async def test_without_a_daemon_a_client_that_may_not_start_one_is_told(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    with pytest.raises(DaemonError, match="no daemon is running; `mato` starts one"):
        await daemon.client()


async def test_a_predecessor_that_does_not_answer_is_ended_first(daemon: Daemon) -> None:
    deaf = daemon.pid
    os.kill(deaf, signal.SIGSTOP)
    await daemon.begin()
    assert daemon.pid != deaf
    assert not _lives(deaf)
    async with await daemon.client() as client:
        assert client.welcome.epoch == 2


async def test_a_hangup_does_not_end_it_and_sigterm_does_in_good_order(daemon: Daemon) -> None:
    os.kill(daemon.pid, signal.SIGHUP)
    async with await daemon.client() as client:
        assert client.welcome.pid == daemon.pid
    await daemon.kill(signal.SIGTERM)
    assert "ended in good order" in daemon.paths.log.read_text()
    assert daemon.leftovers() == []


async def test_clients_are_told_why_it_ends(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        os.kill(daemon.pid, signal.SIGTERM)
        with pytest.raises(DaemonError, match="goodbye: the daemon was stopped"):
            async for _ in client.frames():
                pass


async def test_after_a_crash_all_is_there_and_the_cut_turn_goes_on(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as client:
        new = await client.request(NewSession(cwd=str(folder), task="talk on"))
        before = await client.request(ListSessions())
    await daemon.kill(signal.SIGKILL)
    await daemon.begin()
    async with await daemon.client() as client:
        after = await client.request(ListSessions())
        assert after.sessions[0].windows == before.sessions[0].windows != ()
        assert after.sessions[0].name == "talk-on"
        await client.request(Wait(session=new.session, until="working", timeout_s=10))
        assert (await client.request(Stop(session="talk-on"))).agents == (new.agents[0].name,)
        events = await _events(client, new.session)
        ends = [event for event in events if isinstance(event.body, TurnEnded)]
        assert [(end.turn, end.body.reason) for end in ends] == [(new.turns[0], "cancelled")]
        turn = (await client.request(Prompt(session="talk-on", text="hello"))).turn
        done = await client.request(Wait(session="talk-on", turn=turn, until="ended", timeout_s=10))
        assert done.reasons == {new.agents[0].name: "end_turn"}


async def test_a_stop_leaves_the_turn_open_and_the_next_daemon_goes_on(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as client:
        new = await client.request(NewSession(cwd=str(folder), task="talk on"))
    await daemon.stop()
    await daemon.begin()
    async with await daemon.client() as client:
        await client.request(Wait(session="talk-on", until="working", timeout_s=10))
        events = await _events(client, new.session)
        assert not [event for event in events if isinstance(event.body, TurnEnded)]
        said = [e.body.evidence for e in events if isinstance(e.body, AgentStateChanged)]
        assert "paused: the daemon stops; the next one goes on" in said
        assert [e.body.fault for e in events if isinstance(e.body, ModelFailed)] == ["interrupted"]
        assert (await client.request(Stop(session="talk-on"))).agents == (new.agents[0].name,)


async def test_without_the_key_that_only_a_terminal_had_the_agent_waits_for_it(
    tmp_path: Path, folder: Path
) -> None:
    env = {"GROQ_API_KEY": "gsk-of-no-account"}
    clean = {**dict.fromkeys(VARIABLES, ""), "MATO_MODEL": ""}
    async with running(tmp_path / "home", clean) as daemon:
        async with await daemon.client() as client:
            wish = AgentWish(model="groq/any")
            await client.request(
                NewSession(cwd=str(folder), name="keyed", task="hello", agents=(wish,), env=env)
            )
        await daemon.kill()
        await daemon.begin()
        async with await daemon.client() as client:
            await client.request(Wait(session="keyed", until="blocked", timeout_s=10))
            [session] = (await client.request(ListSessions())).sessions
            assert session.agents[0].evidence.startswith("paused: nobody gave GROQ_API_KEY; ")
            with pytest.raises(UsageError, match="needs GROQ_API_KEY"):
                await client.request(Resume())
            assert (await client.request(Resume(env=env))).agents == ("keyed:coder",)
            assert (await client.request(Stop(session="keyed"))).agents == ("coder",)


async def test_a_stop_while_a_model_process_is_still_starting_leaves_none(
    daemon: Daemon, folder: Path
) -> None:
    wish = AgentWish(model="openai/any", base_url="http://127.0.0.1:9")
    env = {"OPENAI_API_KEY": "sk-of-no-account"}
    async with await daemon.client() as client:
        new = NewSession(cwd=str(folder), task="hello", agents=(wish,), env=env)
        await client.request(new)
        children = daemon.paths.children
        await asyncio.to_thread(_until, lambda: any(children.iterdir()), "a child is on record")
    await daemon.stop()
    assert daemon.leftovers() == []


async def test_what_left_its_group_and_shell_is_ended_after_a_crash(tmp_path: Path) -> None:
    (folder := tmp_path / "project").mkdir()
    script = tmp_path / "leaving.toml"
    command = "setsid sh -c 'echo $$ > pid.tmp; mv pid.tmp pid; exec sleep 600' & sleep 600"
    script.write_text(
        f"[[answer]]\ncalls = [ {{ name = 'shell', arguments = {{ command = {command!r} }} }} ]\n"
    )
    # Bare: in a sandbox nothing outlives its first process, and the number would be another.
    (config := tmp_path / "home/config").mkdir(parents=True)
    (config / "config.toml").write_text("[sandbox]\ntier = 'none'\nunconfined = true\n")
    async with running(tmp_path / "home", {"MATO_MODEL": f"scripted:{script}"}) as daemon:
        async with await daemon.client() as client:
            await client.request(NewSession(cwd=str(folder), task="go", mode="full"))
            await asyncio.to_thread(_until, (folder / "pid").exists, "the command has begun")
        escaped = int((folder / "pid").read_text())
        shell = identity(escaped)
        assert shell is not None
        await daemon.kill()
        os.kill(shell.parent, signal.SIGKILL)
        await asyncio.to_thread(_until, lambda: not _lives(shell.parent), "the shell has ended")
        assert _lives(escaped)
        await daemon.begin()
        assert not _lives(escaped)


def _until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)


async def test_nothing_it_keeps_is_open_to_others(daemon: Daemon, folder: Path) -> None:
    async with await daemon.client() as client:
        new = await client.request(NewSession(cwd=str(folder), task="hello"))
        await client.request(Wait(session=new.session, until="ended", timeout_s=10))
    places = [daemon.paths.state, daemon.paths.runtime, *daemon.paths.state.rglob("*")]
    places.append(daemon.paths.socket)
    for place in places:
        mode = stat.S_IMODE(place.lstat().st_mode)
        assert mode == (0o700 if place.is_dir() else 0o600), f"{place} has {mode:o}"
    assert {"journal.db", "daemon.lock", "daemon.log"} <= {place.name for place in places}


async def test_a_home_with_a_very_long_path_is_as_good_as_any(tmp_path: Path) -> None:
    home = tmp_path.joinpath(*["x" * 60] * 5)
    assert len(str(home)) > 300
    daemon = Daemon(home)
    try:
        await daemon.begin()
        async with await daemon.client() as client:
            assert (await client.request(Status())).state == str(daemon.paths.state)
    finally:
        await daemon.stop()


async def test_when_nothing_can_be_written_any_more_it_says_so_and_ends(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as watching, await daemon.client() as asking:
        await asking.request(NewSession(cwd=str(folder), task="talk on"))
        # Files cannot grow any more, which to SQLite is an I/O error.
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(DaemonError, match=r"goodbye: .*journal"):
            async with asyncio.timeout(20):
                async for _ in watching.frames():
                    pass
    await daemon.ended()
    assert "the journal stopped" in await asyncio.to_thread(daemon.paths.log.read_text)
    await daemon.begin()
    async with await daemon.client() as client:
        (session,) = (await client.request(ListSessions())).sessions
        assert session.name == "talk-on"


async def test_after_an_error_that_has_passed_it_begins_anew_by_itself(
    daemon: Daemon, folder: Path
) -> None:
    async with await daemon.client() as watching, await daemon.client() as asking:
        await asking.request(NewSession(cwd=str(folder), task="talk on"))
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        with pytest.raises(DaemonError, match=r"goodbye: .*journal"):
            async with asyncio.timeout(20):
                async for _ in watching.frames():
                    pass
        free = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, free)
        assert watching.goodbye is not None
        assert watching.goodbye.restart
    await daemon.ended()
    async with asyncio.timeout(20):
        while True:
            try:
                client = await daemon.client()
                break
            except DaemonError:
                await asyncio.sleep(0.05)
    async with client:
        daemon.pid = client.welcome.pid
        assert client.welcome.epoch == 2
        await client.request(Wait(session="talk-on", until="working", timeout_s=10))
        assert (await client.request(Stop(session="talk-on"))).agents


async def test_two_homes_have_two_daemons(daemon: Daemon, tmp_path: Path) -> None:
    other = Daemon(tmp_path / "other")
    try:
        await other.begin()
        assert other.pid != daemon.pid
    finally:
        await other.stop()


async def test_a_start_that_fails_is_one_sentence(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home")
    daemon.paths.state.mkdir(parents=True)
    daemon.paths.journal.write_text("this is no database, but it is long enough to be one\n" * 99)
    with pytest.raises(JournalError, match="is not a journal of Mato") as caught:
        await daemon.begin()
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    with pytest.raises(DaemonError, match="no daemon is running"):
        await daemon.client()


def test_its_start_loads_neither_litellm_nor_textual() -> None:
    code = (
        "import sys, mato.daemon.life\n"
        "print(*sorted({'litellm', 'textual', 'typer', 'rich', 'xllamacpp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


async def test_a_module_in_the_folder_of_the_client_is_never_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('imported from the workspace')\n")
    monkeypatch.chdir(tmp_path)
    daemon = Daemon(tmp_path / "home")
    try:
        await daemon.begin()
        assert daemon.pid
    finally:
        await daemon.stop()


async def test_idle_it_does_nothing(daemon: Daemon) -> None:
    async with await daemon.client():
        before = _switches(daemon.pid)
        begun = time.monotonic()
        # Nothing can be waited for where nothing is to happen: this is the one test of silence.
        await asyncio.sleep(1.0)
        assert _switches(daemon.pid) - before <= 3 * (time.monotonic() - begun)


def _switches(pid: int) -> int:
    """How often the daemon's threads have gone to sleep."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                count += int(line.split()[1])
    return count
