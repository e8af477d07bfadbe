"""read, list, search, write, edit and plan on real files."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from mato.tools.base import ToolError
from mato.tools.edit import Edit, EditArguments
from mato.tools.listing import List, ListArguments
from mato.tools.plan import Plan, PlanArguments, Step
from mato.tools.read import Read, ReadArguments
from mato.tools.search import Search, SearchArguments
from mato.tools.write import Write, WriteArguments
from mato_sessions.events.tool import PlanItem, PlanUpdated


async def test_read_gives_text_as_it_stands(around):
    (around.workspace.root / "f").write_bytes(b"one\r\n\ttwo\n")
    result = await Read().run(ReadArguments("f"), around)
    assert result.content == "one\r\n\ttwo\n"
    assert result.summary == "2 lines"


async def test_read_gives_windows_and_says_how_to_go_on(around):
    (around.workspace.root / "f").write_text("".join(f"{i}\n" for i in range(1, 11)))
    result = await Read().run(ReadArguments("f", offset=3, limit=2), around)
    assert result.content == "3\n4\n[lines 3-4 of 10; go on with offset=5]"
    result = await Read().run(ReadArguments("f", offset=9), around)
    assert result.content == "9\n10\n[lines 9-10 of 10]"
    with pytest.raises(ToolError, match="has 10 lines"):
        await Read().run(ReadArguments("f", offset=11), around)


async def test_read_bounds_what_a_model_gets(around):
    (around.workspace.root / "wide").write_text("é" * 100_000 + "\nend\n")
    (around.workspace.root / "long").write_text("x" * 99 + "\n" + ("y" * 99 + "\n") * 1000)
    wide = await Read().run(ReadArguments("wide"), around)
    assert "[lines cut after 2000 characters: 1]" in wide.content
    long = await Read().run(ReadArguments("long", limit=5000), around)
    assert len(long.content) < 25_000
    assert "go on with offset=246]" in long.content


async def test_read_says_plainly_what_is_no_text(around):
    root = around.workspace.root
    (root / "binary").write_bytes(b"\x89PNG\0\0")
    (root / "latin").write_bytes(b"caf\xe9\n")
    (root / "empty").write_bytes(b"")
    with (root / "huge").open("wb") as file:
        file.truncate(3 << 30)
    binary = await Read().run(ReadArguments("binary"), around)
    assert "binary file of 6 bytes, beginning with 89 50 4e 47" in binary.content
    latin = await Read().run(ReadArguments("latin"), around)
    assert latin.content.startswith("caf\ufffd\n[not UTF-8")
    assert "empty file" in (await Read().run(ReadArguments("empty"), around)).content
    with pytest.raises(ToolError, match="3,221,225,472 bytes"):
        await Read().run(ReadArguments("huge"), around)
    with pytest.raises(ToolError, match="is a folder"):
        await Read().run(ReadArguments("."), around)
    with pytest.raises(ToolError, match="does not exist"):
        await Read().run(ReadArguments("nothing"), around)


async def test_list_gives_a_tree(around):
    root = around.workspace.root
    (root / "src/deep/deeper").mkdir(parents=True)
    (root / "src/app.py").write_text("x" * 2048)
    (root / "node_modules/x").mkdir(parents=True)
    (root / "link").symlink_to("src")
    result = await List().run(ListArguments(), around)
    assert result.content == "link@\nnode_modules/\nsrc/\n  app.py  2 KiB\n  deep/\n"
    assert result.summary == "5 entries"
    assert "empty" in (await List().run(ListArguments("src/deep/deeper"), around)).content
    with pytest.raises(ToolError, match="not a directory"):
        await List().run(ListArguments("src/app.py"), around)


async def test_list_is_bounded_and_fair_to_the_folders_that_follow(around):
    root = around.workspace.root
    (root / "a").mkdir()
    for i in range(1200):
        (root / f"a/{i:04}").touch()
    (root / "z").touch()
    result = await List().run(ListArguments(), around)
    assert result.content.count("\n") == 103
    assert "  [more entries here are not shown]\nz  0 B\n" in result.content
    for i in range(10):
        (root / f"b{i}").mkdir()
        for j in range(99):
            (root / f"b{i}/{j}").touch()
    assert "[stopped after 500 entries" in (await List().run(ListArguments(), around)).content


async def test_search_finds_lines_and_passes_over_what_is_no_source(around):
    root = around.workspace.root
    for path in ("a.py", "sub/b.py", "sub/c.txt", ".git/x.py", "node_modules/x.py"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("first\ndef find(x):\n")
    (root / "binary").write_bytes(b"\0def find")
    (root / "big").write_bytes(b"def find\n" + b"x" * (4 << 20))
    (root / "out").symlink_to("../outside")
    result = await Search().run(SearchArguments(r"def \w+"), around)
    assert result.content == (
        "a.py:2: def find(x):\nsub/b.py:2: def find(x):\nsub/c.txt:2: def find(x):\n"
        "[1 files over 4,194,304 bytes were not searched]\n"
    )
    assert result.summary == "3 matches in 3 files"
    only = await Search().run(SearchArguments("FIND(", "sub", True, True, "*.py"), around)
    assert only.content == "sub/b.py:2: def find(x):\n"
    one = await Search().run(SearchArguments("^first$", "sub/c.txt"), around)
    assert one.content == "sub/c.txt:1: first\n"
    none = await Search().run(SearchArguments("nowhere", "sub"), around)
    assert none.content == "[no match in 2 files]\n"


async def test_search_explains_what_it_cannot_do(around):
    with pytest.raises(ToolError, match="set literal to true"):
        await Search().run(SearchArguments("find("), around)
    with pytest.raises(ToolError, match="does not exist"):
        await Search().run(SearchArguments("x", "nothing"), around)
    with pytest.raises(ToolError, match="leads out"):
        await Search().run(SearchArguments("x", "../outside"), around)


async def test_search_is_bounded(around):
    (around.workspace.root / "f").write_text(("x" * 5000 + "needle" + "y" * 5000 + "\n") * 400)
    result = await Search().run(SearchArguments("needle"), around)
    assert len(result.content) < 32 * 1024
    assert "…" in result.content
    assert "needle" in result.content
    assert "[stopped at " in result.content


ENDLESS = r"(?:a?){60}(?:.*.*.*.*.*.*)*[^a]$"


async def test_a_pattern_without_end_is_given_up_and_never_holds_the_loop(around):
    (around.workspace.root / "f").write_text("a" * 3000 + "\n")
    late = 0.0

    async def beat() -> None:
        nonlocal late
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            late = max(late, time.monotonic() - before)

    async with asyncio.TaskGroup() as group:
        heart = group.create_task(beat())
        with pytest.raises(ToolError, match="takes too long on line 1 of 'f'"):
            await Search().run(SearchArguments(ENDLESS), around)
        heart.cancel()
    assert late < 0.5


class Watched:
    """A workspace that says when a file is read."""

    def __init__(self, workspace) -> None:
        self._workspace = workspace
        self.reading = threading.Semaphore(0)

    def __getattr__(self, name: str):
        return getattr(self._workspace, name)

    def read_bytes(self, path: str, limit: int) -> bytes:
        data = self._workspace.read_bytes(path, limit)
        self.reading.release()
        return data


async def test_cancelled_searches_leave_their_threads_soon(around):
    (around.workspace.root / "f").write_text(("a" * 200 + "\n") * 20_000)
    (around.workspace.root / "g").write_text("x\n")
    around.workspace = Watched(around.workspace)
    async with asyncio.TaskGroup() as group:
        slow = SearchArguments(r"(?:a?){9}(?:.*.*.*)[^a]$", "f")  # minutes, all lines together
        tasks = [group.create_task(Search().run(slow, around)) for _ in range(4)]
        for _ in tasks:
            await asyncio.to_thread(around.workspace.reading.acquire)
        before = time.monotonic()
        for task in tasks:
            task.cancel()
    assert time.monotonic() - before < 0.5
    # All threads of the pool were taken; this search gets one as soon as they have seen it.
    found = await asyncio.wait_for(Search().run(SearchArguments("x", "g"), around), 5)
    assert found.summary == "1 match in 1 file"


async def test_write_keeps_the_file_before_it_changes_it(around):
    file = around.workspace.root / "f"
    file.write_text("old\n")
    file.chmod(0o600)
    result = await Write().run(WriteArguments("f", "new\n"), around)
    assert around.checkpoints == [("f", b"old\n", 0o600)]
    assert around.on_disk_at_checkpoint == [b"old\n"]
    assert file.read_text() == "new\n"
    assert result.diff == "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n"
    assert result.summary == "+1 −1"


async def test_write_checkpoints_that_there_was_no_file(around):
    result = await Write().run(WriteArguments("a/./new.txt", "one\n"), around)
    assert around.checkpoints == [("a/new.txt", None, 0)]
    assert around.on_disk_at_checkpoint == [None]
    assert (around.workspace.root / "a/new.txt").read_text() == "one\n"
    assert result.diff.startswith("--- /dev/null\n+++ b/a/new.txt\n")


async def test_writing_the_same_again_does_nothing(around):
    await Write().run(WriteArguments("f", "x"), around)
    again = await Write().run(WriteArguments("f", "x"), around)
    assert again.summary == "unchanged"
    assert len(around.checkpoints) == 1


async def test_a_file_that_changes_while_it_is_kept_is_not_overwritten(around):
    file = around.workspace.root / "f"
    file.write_text("old")
    around.on_checkpoint = lambda: file.write_text("by a person") and None
    with pytest.raises(ToolError, match="changed meanwhile"):
        await Write().run(WriteArguments("f", "new"), around)
    with pytest.raises(ToolError, match="meanwhile"):
        around.on_checkpoint = lambda: (file.parent / "new").touch()
        await Write().run(WriteArguments("new", "new"), around)
    assert file.read_text() == "by a person"


async def test_a_write_that_fails_to_be_kept_does_not_happen(around):
    def full() -> None:
        raise OSError("no space")

    around.on_checkpoint = full
    with pytest.raises(OSError, match="no space"):
        await Write().run(WriteArguments("f", "new"), around)
    assert not (around.workspace.root / "f").exists()


async def test_write_refuses_what_it_could_not_undo_or_may_not_touch(around, top):
    (around.workspace.root / "link").symlink_to(top / "outside/secret")
    os.link(top / "outside/secret", around.workspace.root / "hard")
    for path in ("link", "hard", "../outside/secret", ".", "/etc/passwd"):
        with pytest.raises(ToolError):
            await Write().run(WriteArguments(path, "x"), around)
    assert (top / "outside/secret").read_text() == "SECRET"


async def test_a_preview_shows_the_diff_and_writes_nothing(around):
    file = around.workspace.root / "f"
    file.write_text("old\n")
    write = await Write().preview(WriteArguments("f", "new\n"), around.workspace)
    edit = await Edit().preview(EditArguments("f", "old", "new"), around.workspace)
    assert write == edit == "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-old\n+new\n"
    assert file.read_text() == "old\n"
    with pytest.raises(ToolError, match="leads out"):
        await Write().preview(WriteArguments("../x", ""), around.workspace)
    with pytest.raises(ToolError, match="not in the file"):
        await Edit().preview(EditArguments("f", "other", ""), around.workspace)


async def test_edit_replaces_the_passage_and_keeps_the_rest(around):
    file = around.workspace.root / "f"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree")
    result = await Edit().run(EditArguments("f", "one\ntwo", "1\n2"), around)
    assert file.read_bytes() == b"\xef\xbb\xbf1\r\n2\r\nthree"
    assert around.checkpoints == [("f", b"\xef\xbb\xbfone\r\ntwo\r\nthree", 0o644)]
    assert result.summary == "+2 −2"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "x", "old_text is empty"),
        ("a", "a", "the same"),
        ("zzz", "x", "read it and copy the passage exactly"),
        ("def f():\n  return 1", "x", "lines 3-4 differ from it only in white space"),
        ("a", "x", "at lines 1, 2"),
    ],
)
async def test_edit_tells_the_model_what_to_do(around, old: str, new: str, reason: str):
    file = around.workspace.root / "f"
    file.write_text("a\na\ndef f():\n    return 1\n")
    with pytest.raises(ToolError, match=reason):
        await Edit().run(EditArguments("f", old, new), around)
    assert around.checkpoints == []


async def test_edit_leaves_alone_what_is_no_text_or_not_there(around):
    (around.workspace.root / "f").write_bytes(b"caf\xe9 a")
    with pytest.raises(ToolError, match="not UTF-8"):
        await Edit().run(EditArguments("f", "a", "b"), around)
    with pytest.raises(ToolError, match="make it with write"):
        await Edit().run(EditArguments("nothing", "a", "b"), around)


async def test_a_cancelled_write_has_happened_or_never_will(around):
    held, let_go = threading.Event(), threading.Event()
    real = around.workspace.write_bytes

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(real.__self__, name)

        def write_bytes(self, *args: object, **named: object) -> None:
            held.set()
            let_go.wait(5)
            real(*args, **named)

    around.workspace = Slow()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(Write().run(WriteArguments("f", "new"), around))
        await asyncio.to_thread(held.wait, 5)
        task.cancel()
        asyncio.get_running_loop().call_soon(let_go.set)
    assert task.cancelled()
    assert (real.__self__.root / "f").read_text() == "new"


async def test_plan_records_the_whole_plan(around):
    arguments = PlanArguments([Step("look", "completed"), Step("act")])
    result = await Plan().run(arguments, around)
    items = (PlanItem("look", "completed"), PlanItem("act", "pending"))
    assert around.recorded == [PlanUpdated(items=items)]
    assert result.summary == "1 of 2 done"
