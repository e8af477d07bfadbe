"""Process trees: what belongs to one, and how it is ended so that nothing of it is left.

A process is never named by its number alone: the kernel hands numbers out again. It is its number
and its start time, and signals go through a pidfd that was opened before the two were compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

MARKER = "MATO_CALL"
"""The variable by which a child is known even when it has left its parent, group and session."""

_LIMIT_S = 1.9
"""For all of `end_tree`, so that a stop is through within 2 s."""
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="mato-processes")
"""Its own, so that an end never queues behind a long search."""


class Process(msgspec.Struct, frozen=True):
    """A process as /proc/PID/stat has it (proc_pid_stat(5))."""

    pid: int
    parent: int
    group: int
    session: int
    started: int
    """Field 22: clock ticks after boot. With `pid` it names one process of this boot."""
    alive: bool
    """False for a zombie: it has ended and waits to be collected."""


class Ending(msgspec.Struct, frozen=True):
    """What `end_tree` did."""

    ended: int
    """Processes that were still alive and are not any more, the leader included."""
    left: tuple[int, ...] = ()
    """Those that even SIGKILL did not end in time (stuck in the kernel)."""


def identity(pid: int) -> Process | None:
    """The process with that number, or None where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, so count from its end.
    fields = text[text.rindex(b")") + 2 :].split()
    parent, group, session = (int(field) for field in fields[1:4])
    # A main thread that has ended is shown as a zombie while other threads go on.
    alive = fields[0] not in (b"Z", b"X") or int(fields[17]) > 1
    return Process(pid, parent, group, session, int(fields[19]), alive)


def same_process(pid: int, started: int) -> bool:
    """Whether the process that started at `started` (field 22) is alive under that number."""
    found = identity(pid)
    return found is not None and found.alive and found.started == started


def tree(pid: int | None, marker: str = "", started: int | None = None) -> list[Process]:
    """All living processes of the tree that `pid` leads; never the caller or its forebears.

    They are its descendants, the members of its group and session, and every process that carries
    `marker` as MATO_CALL. Where the number `pid` now belongs to a process that did not start at
    `started`, only the marker counts. Reads all of /proc: some ms.
    """
    found = dict(_all_processes())
    leader = found.get(pid) if pid is not None else None
    if leader is not None and started is not None and leader.started != started:
        pid = None
    members: set[int] = set()
    if pid is not None and pid > 1:
        members |= {p.pid for p in found.values() if pid in (p.pid, p.group, p.session)}
    if marker:
        members |= {number for number in found if _carries(number, marker)}
    children: dict[int, list[int]] = {}
    for process in found.values():
        children.setdefault(process.parent, []).append(process.pid)
    line = list(members)
    while line:
        new = [child for child in children.get(line.pop(), ()) if child not in members]
        members.update(new)
        line.extend(new)
    return [found[number] for number in members - _forebears(found) if found[number].alive]


async def end_tree(
    pid: int | None, marker: str = "", grace_s: float = 0.5, started: int | None = None
) -> Ending:
    """End the tree of `pid` (see `tree`): SIGTERM, `grace_s` later SIGKILL until none is left.

    Takes at most 2 s. Cancelled, it kills at once what it finds and goes.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    seen: set[tuple[int, int]] = set()
    number = signal.SIGTERM
    try:
        while True:
            members = await loop.run_in_executor(_THREADS, tree, pid, marker, started)
            passed = loop.time() - begun
            if not members or passed >= _LIMIT_S:
                left = {(member.pid, member.started) for member in members}
                return Ending(len(seen - left), tuple(sorted(left_pid for left_pid, _ in left)))
            seen |= {(member.pid, member.started) for member in members}
            if passed >= grace_s:
                number = signal.SIGKILL
            wait_s = (grace_s if number == signal.SIGTERM else _LIMIT_S) - passed
            with _signalled(members, number) as handles:
                # Killed ones are looked at again soon: they may have had children meanwhile.
                await _until_ended(handles, min(wait_s, 0.5))
    except asyncio.CancelledError:
        kill_tree(pid, marker, started, limit_s=0.2)
        raise


def kill_tree(
    pid: int | None, marker: str = "", started: int | None = None, limit_s: float = 1.0
) -> Ending:
    """SIGKILL the tree of `pid` (see `tree`) until none is left; blocks up to `limit_s`."""
    end = time.monotonic() + limit_s
    seen: set[tuple[int, int]] = set()
    while members := tree(pid, marker, started):
        rest = end - time.monotonic()
        left = {(member.pid, member.started) for member in members}
        if rest <= 0:
            return Ending(len(seen - left), tuple(sorted(left_pid for left_pid, _ in left)))
        seen |= left
        with _signalled(members, signal.SIGKILL) as handles:
            _wait_ended(handles, rest)
    return Ending(len(seen))


@contextlib.contextmanager
def _signalled(members: Iterable[Process], number: signal.Signals) -> Generator[list[int]]:
    """Signal each; gives a pidfd of each that is still there."""
    handles: list[int] = []
    try:
        for member in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                handle = os.pidfd_open(member.pid)
                handles.append(handle)
                if same_process(member.pid, member.started):
                    signal.pidfd_send_signal(handle, number)
        yield handles
    finally:
        for handle in handles:
            os.close(handle)


async def _until_ended(handles: list[int], timeout_s: float) -> None:
    """Wait until every process has ended (a pidfd is readable then), or `timeout_s` is over."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    waiting = set(handles)

    def ended(handle: int) -> None:
        loop.remove_reader(handle)
        waiting.discard(handle)
        if not waiting and not over.done():
            over.set_result(None)

    for handle in handles:
        loop.add_reader(handle, ended, handle)
    try:
        if waiting:
            await asyncio.wait([over], timeout=max(timeout_s, 0))
    finally:
        over.cancel()
        for handle in waiting:
            loop.remove_reader(handle)


def _wait_ended(handles: list[int], timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    poll = select.poll()
    for handle in handles:
        poll.register(handle, select.POLLIN)
    waiting = len(handles)
    while waiting and (rest := end - time.monotonic()) > 0:
        for handle, _ in poll.poll(rest * 1000):
            poll.unregister(handle)
            waiting -= 1


def _all_processes() -> Iterator[tuple[int, Process]]:
    for name in (entry.name for entry in Path("/proc").iterdir()):
        if name.isdigit() and (process := identity(int(name))) is not None:
            yield process.pid, process


def _carries(pid: int, marker: str) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # ended, or another user's
        return False
    return f"\0{MARKER}={marker}\0".encode() in b"\0" + variables + b"\0"


def _forebears(found: dict[int, Process]) -> set[int]:
    """The caller and all it descends from: Mato itself may run inside a call of another Mato."""
    line = {1, os.getpid()}
    current = found.get(os.getpid())
    while current is not None and current.parent not in line:
        line.add(current.parent)
        current = found.get(current.parent)
    return line


class ChildRecord(msgspec.Struct, frozen=True):
    """A child as it stands on disk."""

    pid: int
    """It leads a group and a session of the same number. 0: only its marker is known."""
    started: int
    boot: str
    epoch: int
    purpose: str
    marker: str = ""


class ChildRecords:
    """Who was started, on disk, so that a daemon that was killed leaves nothing running.

    `folder` holds a file (0600) for each child of the daemon with that `epoch` and of those before.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder = folder
        self._epoch = epoch
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def started(self, pid: int | None, purpose: str, marker: str = "") -> Callable[[], None]:
        """Record the child that leads the group `pid`; call the result when it has ended.

        `marker` is the MATO_CALL that it carries, if any. `pid` None: it is about to be started;
        a daemon that is killed before the child's number stands here finds it by the marker.
        """
        child = identity(pid) if pid is not None else None
        # Collected already: there is nothing to find again but the marker.
        started = child.started if child is not None else 0
        record = ChildRecord(pid or 0, started, self._boot, self._epoch, purpose, marker)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._epoch}-{pid or marker}-{started}.json"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(msgspec.json.encode(record))

        def ended() -> None:
            path.unlink(missing_ok=True)

        return ended

    def end_all(self, limit_s: float = 0.8) -> tuple[int, ...]:
        """Kill (SIGKILL, no grace) every child of this daemon with its tree; those that are left.

        Blocks up to `limit_s` in all; the trees are ended side by side. Records are removed by who
        made them.
        """
        return end_recorded(self._folder, f"{self._epoch}-*.json", limit_s)

    def end_leftovers(self, limit_s: float = 2.0) -> list[ChildRecord]:
        """Kill what daemons of earlier epochs left running; gives the records of those found alive.

        Blocks up to `limit_s`; for the start of a daemon, before its loop serves anyone.
        """
        end = time.monotonic() + limit_s
        alive: list[ChildRecord] = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=ChildRecord)
            except (OSError, msgspec.MsgspecError):  # cut off while it was written
                path.unlink(missing_ok=True)
                continue
            if record.epoch >= self._epoch:
                continue
            if record.boot == self._boot:
                # A leader that has gone leaves its number free for strangers: then only the marker.
                leader = record.pid if same_process(record.pid, record.started) else None
                rest = max(end - time.monotonic(), 0.05)
                ending = kill_tree(leader, record.marker, record.started, rest)
                if ending.ended or ending.left:
                    alive.append(record)
                if ending.left:
                    continue  # keep its record for the next start
            path.unlink(missing_ok=True)
        return alive


def end_recorded(folder: Path, names: str = "*.json", limit_s: float = 0.8) -> tuple[int, ...]:
    """Kill every child on record in `folder` with its tree; those that are left.

    For others than the daemon too: its loop may be busy, or its process stopped.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    found = [_read(path) for path in folder.glob(names)]
    trees = [record for record in found if record is not None and record.boot == boot]
    if not trees:
        return ()
    with ThreadPoolExecutor(min(len(trees), 16)) as threads:
        endings = list(threads.map(_kill, trees, [limit_s] * len(trees)))
    return tuple(sorted({pid for ending in endings for pid in ending.left}))


def _read(path: Path) -> ChildRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ChildRecord)
    except (OSError, msgspec.MsgspecError):  # it has just ended, or is being written
        return None


def _kill(record: ChildRecord, limit_s: float) -> Ending:
    leader = record.pid if same_process(record.pid, record.started) else None
    return kill_tree(leader, record.marker, record.started, limit_s)
