"""The commands of a day's work run in the full tier, or are refused in a sentence that helps."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mato.sandbox.tier import Offer

_ROOT = Path(__file__).parents[3]
_ANYBODY = 65534
_PYTHON = "/usr/bin/python3"

# The program that a line needs, and the line: one after the other, in one repository.
WORKS = (
    ("git", "git status"),
    ("git", "git status --porcelain=v2 --branch"),
    ("git", "git diff --stat"),
    ("git", "git log --oneline -3"),
    ("git", "echo '# more' >> calc.py && git diff calc.py && git add -A && git commit -qm more"),
    ("git", "git branch topic && git switch -q topic && git switch -q main && git branch -vv"),
    ("git", "echo '# again' >> calc.py && git stash -q && git stash list && git stash pop -q"),
    ("git", "git commit -qam again && git show --stat HEAD && git blame calc.py"),
    ("git", "git switch -q topic && echo x > t && git add t && git commit -qm t"),
    ("git", "git rebase -q main && git switch -q main && git merge -q --no-edit topic"),
    ("git", "git branch -d topic && git tag v1 && git describe --tags && git tag -d v1"),
    ("git", "git cherry-pick --quit; git reset -q --hard HEAD~1 && git reflog | head -3"),
    ("git", "git commit --amend -qm 'said better' && git rev-parse HEAD"),
    ("git", "git worktree add -q below && git -C below status"),
    ("git", "git ls-files && git grep -n add && git clean -nd && git gc -q && git fsck"),
    ("git", "git format-patch -1 --stdout > /tmp/p && git apply -R /tmp/p && git apply /tmp/p"),
    ("git", "git init -q inner && git -C inner status && git clone -q . copy && rm -rf copy"),
    ("python3", "python3 -m unittest -q test_calc"),
    ("python3", "python3 -m compileall -q calc.py && python3 calc.py"),
    ("python3", "python3 -c 'import ssl, sqlite3, ctypes, multiprocessing as m; m.Lock()'"),
    ("python3", "python3 -m json.tool package.json"),
    ("pytest", "pytest -q -p no:cacheprovider test_calc.py"),
    ("pytest", "python -m pytest -q test_calc.py"),
    ("pip", "pip list --format=freeze"),
    ("ruff", "ruff check calc.py"),
    ("node", "node -e 'console.log(6 * 7)' && node t.js"),
    ("npm", "npm test"),
    ("npm", "npm run -s build"),
    ("make", "make && make -n"),
    ("gcc", "make hello && ./hello && rm hello"),
    ("grep", "grep -rn add . | head -2"),
    ("find", "find . -name '*.py' -print0 | xargs -0 wc -l"),
    ("sed", "sed -i 's/a + b/b + a/' calc.py && sed -n 1,2p calc.py"),
    ("awk", "awk '{print $1}' calc.py | sort | uniq -c | sort -rn | head -2"),
    ("tar", "tar czf /tmp/x.tgz . && mkdir -p out && tar xzf /tmp/x.tgz -C out && rm -rf out"),
    ("cp", "cp -r . /tmp/copy && cp -a . /tmp/again && rm -rf /tmp/copy"),
    ("rsync", "rsync -a ./ /tmp/synced && rm -rf /tmp/synced"),
    ("zip", "zip -qr /tmp/z.zip *.py *.json && unzip -tq /tmp/z.zip"),
    ("grep", "printf '# x\n' > NOTES.md && grep -n x *.md && wc -l *.* && cat *.json > /dev/null"),
    ("diff", "cp calc.py c2.py && diff calc.py c2.py && mv c2.py c3.py && rm c3.py"),
    ("ln", "ln -s calc.py link && cat link && rm link && chmod +x t.js"),
    ("tee", "echo said | tee /tmp/x | cat && cat /tmp/x && echo more >> /tmp/x"),
    ("ps", "sleep 0.1 & ps aux | head -3; wait && timeout 5 true"),
    ("mkdir", "mkdir -p a/b/c ~/.cache/x && touch a/b/c/d ~/.cache/x/y && rm -r a"),
    ("perl", "perl -ne 'print if /add/' calc.py"),
    ("python3", "python3 -m http.server -b 127.0.0.1 8123 > /dev/null 2>&1 & p=$!; until"
     " (: > /dev/tcp/127.0.0.1/8123) 2> /dev/null; do kill -0 $p || exit 1; done; kill $p"),
)  # fmt: skip

# The program, the line, and what the sentence says.
REFUSED = (
    ("curl", "curl -sS https://example.org", "no network in the sandbox"),
    ("git", "git fetch https://example.org/x", "no network in the sandbox"),
    ("git", "git clone ssh://git@example.org/x", "no network in the sandbox"),
    ("pip", "pip download a-package-that-is-not-here", "no network in the sandbox"),
    ("npm", "npm install a-package-that-is-not-here", "no network in the sandbox"),
    ("curl", "curl -sS http://localhost:9", "loopback of their own"),
    ("sh", "echo x > ../beside", "only the workspace and /tmp"),
    ("sh", "echo x > /usr/local/x", "only the workspace and /tmp"),
    ("sh", "echo x > .envrc", "only the workspace and /tmp"),
    ("sh", "mkdir .vscode", "only the workspace and /tmp"),
    ("git", "git worktree add ../beside", "only the workspace and /tmp"),
    ("git", "git config alias.x status", "only the workspace and /tmp"),
    ("git", "git remote add origin https://example.org/x", "only the workspace and /tmp"),
    ("zip", "zip -qr /tmp/z.zip .", "leave such names out"),
    ("sh", "sudo true", "nobody becomes root"),
    ("apt-get", "apt-get install -y x", "nobody becomes root"),
    ("docker", "docker ps", "out of reach"),
)  # fmt: skip

_FILES = {
    "calc.py": "def add(a, b):\n    return a + b\n",
    "test_calc.py": "import unittest\nfrom calc import add\n\n\nclass TestAdd(unittest.TestCase):\n"
    "    def test_add(self):\n        self.assertEqual(add(1, 2), 3)\n",
    "package.json": '{"name": "x", "scripts": {"test": "node t.js", "build": "node -e 1"}}\n',
    "t.js": "require('assert')(1)\n",
    "Makefile": "all:\n\ttouch made\nhello: hello.c\n\tgcc -o hello hello.c\n",
    "hello.c": '#include <stdio.h>\nint main() { puts("hello"); return 0; }\n',
    ".gitignore": "__pycache__/\nmade\nbelow/\ninner/\n",
}
_DRIVER = """
import json, os, shutil, subprocess, sys
from pathlib import Path
from mato.sandbox.explaining import explain
from mato.sandbox.sandbox import Sandbox
work, state, uid = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
if uid != os.getuid():
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
os.umask(0o022)
sandbox = Sandbox((state,), state / "aside")
for line in json.load(sys.stdin):
    confinement = sandbox.confine("full")
    env = {**os.environ, "MATO_CALL": "test"}
    try:
        start = confinement.begin(work, env, ["/bin/bash", "-c", line])
        done = subprocess.run(start.command, cwd=work, env=start.env, pass_fds=start.handles,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, start_new_session=True)
    finally:
        changed = confinement.end()
    said = done.stdout.decode(errors="replace")
    notes = explain("full", done.returncode, said, changed)
    print(json.dumps([done.returncode, said[-600:], changed, notes]), flush=True)
"""


@pytest.fixture(params=["the one who tests", "an ordinary user"])
def drive(request: pytest.FixtureRequest, offer: Offer, tmp_path_factory: pytest.TempPathFactory):
    """Runs lines in the sample repository as one of two users; (code, said, changed, notes)."""
    if "full" not in offer.works:
        pytest.skip("; ".join(offer.reasons))
    ordinary = request.param == "an ordinary user"
    if ordinary and (os.getuid() != 0 or not _fits(_PYTHON)):
        pytest.skip("the other user is one already, or there is no Python that everybody may run")
    top = tmp_path_factory.mktemp("day")
    for name in ("home", "state", "projects/work"):
        (top / name).mkdir(parents=True)
    work = top / "projects/work"
    for name, text in _FILES.items():
        (work / name).write_text(text)
    (top / "home/.gitconfig").write_text("[user]\n\tname = A Person\n\temail = a@b.example\n")
    author = ("-c", "user.name=A Person", "-c", "user.email=a@b.example")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*author, "commit", "-qm", "first")):
        subprocess.run(["git", *words], cwd=work, check=True)
    path = os.defpath + ":/usr/bin:/bin" if ordinary else os.environ["PATH"]
    if ordinary:
        _open_to_anybody(top)
    uid = _ANYBODY if ordinary else os.getuid()

    def run(lines: list[str]) -> Iterator[tuple[int, str, list[str], list[str]]]:
        done = subprocess.run(
            [_PYTHON if ordinary else sys.executable, "-c", _DRIVER, work, top / "state", str(uid)],
            input=json.dumps(lines),
            cwd=top,
            env={
                "PATH": path,
                "HOME": str(top / "home"),
                "PYTHONDONTWRITEBYTECODE": "1",
                **({"PYTHONPATH": str(top / "sources")} if ordinary else {}),
            },
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return map(json.loads, done.stdout.splitlines())

    return run, path


def _open_to_anybody(top: Path) -> None:
    """The sources where anybody may read them, and everything of `top` the ordinary user's."""
    library = Path(next(p for p in sys.path if p.endswith("site-packages")))
    for source in (
        _ROOT / "mato",
        _ROOT / "sessions/mato_sessions",
        library / "msgspec",
        library / "h11",
    ):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, top / "sources" / source.name, ignore=ignored)
    for above in (top, *top.parents):
        if above.stat().st_uid == 0 and above.is_relative_to("/tmp/"):
            above.chmod(0o755)
    for folder, _, files in os.walk(top):
        for each in (folder, *(os.path.join(folder, name) for name in files)):
            os.chown(each, _ANYBODY, _ANYBODY, follow_symlinks=False)


def _fits(python: str) -> bool:
    """Whether this Python can load what is compiled for ours."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout.split() == [str(each) for each in sys.version_info[:2]]


def test_ordinary_commands_work(drive):
    run, path = drive
    lines = [line for program, line in WORKS if shutil.which(program, path=path)]
    assert len(lines) > len(WORKS) / 2
    found = dict(zip(lines, run(lines), strict=True))
    assert {line: each for line, each in found.items() if each[0] or each[2]} == {}


def test_what_does_not_work_is_refused_in_a_sentence(drive):
    run, path = drive
    rows = [row for row in REFUSED if shutil.which(row[0], path=path)]
    found = run([line for _, line, _ in rows])
    wrong = {
        line: each
        for (_, line, sentence), each in zip(rows, found, strict=True)
        if not each[0] or sentence not in "\n".join(each[3])
    }
    assert wrong == {}
