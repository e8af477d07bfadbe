"""200 commands of a day's coding: how many of them still ask a person."""

from __future__ import annotations

from mato.permissions.desk import Policy
from mato.permissions.grants import Standing, patterns
from mato.permissions.taint import Taint
from mato_sessions.grants import Grant

COMMANDS = [line for line in r"""
ls
ls -la
ls -l src
ls src tests docs
ls -lah build
ls -R src
ls -1 tests
pwd
tree -L 2
tree -L 3 -I node_modules
cat README.md
cat pyproject.toml
cat -n src/app.py
cat package.json
cat src/a.py src/b.py
cat .gitignore
cat Makefile
head README.md
head -n 50 src/app.py
head -20 CHANGELOG.md
head -c 200 data.bin
tail -n 30 build.log
tail -50 build.log
tail -n +100 src/app.py
wc -l src/app.py
wc -l src/a.py src/b.py
sed -n 1,80p src/app.py
sed -n '120,160p' src/app.py
sed -n '40p' src/app.py
nl src/app.py
file build/app
stat src/app.py
du -sh build
du -sh node_modules
diff a.txt b.txt
diff -u old.py new.py
cmp a.bin b.bin
sha256sum dist/app.whl
which python3
which node
date
uname -a
whoami
echo done
echo "build finished"
printf '%s\n' hello
true
cd src && ls
cd tests && ls -la
basename src/app.py
realpath src/app.py
test -f setup.cfg && cat setup.cfg
python3 --version
node --version
git --version
git status
git status --short
git status -sb
git diff
git diff --stat
git diff --cached
git diff HEAD~1
git diff main
git diff main...HEAD
git diff --name-only main
git diff src/app.py
git diff -- src/app.py
git diff HEAD -- tests
git diff | head -n 100
git log
git log --oneline
git log --oneline -20
git log --oneline -n 10
git log -5 --stat
git log -p -1
git log --graph --oneline --all
git log --since='2 weeks ago' --oneline
git log --author=Ann --oneline
git log -S 'def main' --oneline
git log --follow src/app.py
git log --oneline | wc -l
git show
git show HEAD
git show --stat HEAD
git show HEAD~2:src/app.py
git show HEAD --name-only
git blame src/app.py
git blame -L 10,30 src/app.py
git branch
git branch -a
git branch -vv
git branch --show-current
git tag -l
git stash list
git remote -v
git rev-parse HEAD
git rev-parse --abbrev-ref HEAD
git rev-parse --show-toplevel
git ls-files
git ls-files src
git ls-files | wc -l
git grep -n TODO
git merge-base main HEAD
git describe --tags
git shortlog -sn
git reflog -n 5
git config --get user.name
git add .
git add -A
git add src/app.py tests/test_app.py
git commit -m "Fix the parser"
git commit -am "Say why it failed"
git add -A && git commit -m "Add tests"
git switch -c feature
git switch main
git checkout -b fix/parser
git stash push -m wip
git stash pop
git restore --staged src/app.py
git checkout -- src/app.py
git reset --hard HEAD
git rebase main
git push origin feature
git pull
git fetch origin
grep -n "def main" src/app.py
grep -rn "TODO" src
grep -rn "import os" src tests
grep -rni "timeout" src
grep -rl "Config" src
grep -c "assert" tests/test_app.py
grep -v "^#" settings.ini
grep -E "foo|bar" src/app.py
grep -rn "parse" src --include=*.py
grep -rn "parse" src --include='*.py' | head -n 20
grep -A 5 -B 2 "class App" src/app.py
grep -n "error" build.log | tail -n 5
grep -oE "v[0-9]+" CHANGELOG.md | sort -u
grep -q main src/app.py && echo yes
rg TODO
rg -n "class .*Error" src
rg -l "fixture" tests
rg -i "deprecated" -g '*.py'
rg --files
rg --files | grep test
rg -n -A 3 "def main" src
rg -t py "import re"
find . -name '*.py'
find . -name "*.md" -type f
find src -type f -name '*.ts'
find . -type d -name __pycache__
find . -maxdepth 2 -type d
find tests -name 'test_*.py' | wc -l
find . -name '*.py' -mtime -1
find . -name '*.pyc' -delete
find . -name '*.py' | xargs wc -l
sort names.txt | uniq -c | sort -rn | head
sort -u words.txt
cut -d, -f1 data.csv | sort | uniq
awk '{print $2}' data.txt
awk -F , '{print $1}' data.csv
tr a-z A-Z
jq . package.json
jq .scripts package.json
jq -r .version package.json
cat package.json | jq .dependencies
ls | wc -l
ls -la | grep py
mkdir -p src/new
mkdir build
touch src/new/__init__.py
cp src/a.py src/b.py
cp -r templates build
mv old.py new.py
rm build.log
rm -rf build
chmod +x run.sh
echo "x = 1" > src/x.py
pytest
pytest -q
pytest -x -q tests/test_app.py
pytest tests/test_app.py::test_main
pytest -k "parser and not slow"
pytest -q 2>&1 | tail -n 20
python -m pytest -q
uv run pytest -q
ruff check .
ruff format src
mypy src
pyright src
make
make test
make lint
make test 2>&1 | tail -n 30
npm test
npm run build
npm run lint
npm test 2>&1 | head -n 50
npm install
cargo build
cargo test
cargo clippy
go build ./...
go test ./...
tsc
eslint src
pip install -e .
""".splitlines() if line]  # fmt: skip


def asking(policy: Policy) -> list[str]:
    """The commands that ask in mode edit."""
    return [
        line
        for line in COMMANDS
        if policy.decide("edit", "execute", line, Taint()).effect != "allow"
    ]


def allowing(line: str) -> Policy:
    """The policy once a person has answered that line with yes, for the session."""
    given = Grant(
        grant="g-1",
        call="c-1",
        action="execute",
        patterns=patterns("execute", line, held=True),
        words="",
        by="",
        at_us=0,
        expires_us=1,
    )
    return Policy(tier="full", standing=lambda: Standing((given,)))


def test_at_most_one_in_ten_ordinary_commands_asks_once_tests_are_allowed():
    assert len(set(COMMANDS)) == len(COMMANDS) >= 200
    asked = asking(allowing("pytest -q"))
    assert len(asked) <= len(COMMANDS) // 10, asked
    # These lose work, run hooks or leave the machine, and nothing that was allowed is about them.
    assert {"git push origin feature", "git reset --hard HEAD", "rm -rf build"} <= set(asked)
    assert 'git commit -m "Fix the parser"' in asked


def test_the_grant_is_what_makes_the_difference():
    assert len(asking(Policy(tier="full"))) > len(COMMANDS) // 10
    assert len(asking(allowing("ls"))) > len(COMMANDS) // 10


def test_without_the_sandbox_all_of_them_ask():
    assert asking(Policy()) == COMMANDS
