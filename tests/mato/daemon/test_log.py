"""The log: clean lines, turned over at a size, with everything that the process prints."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

WRITE = """
import os, sys
from pathlib import Path
from mato.daemon import log
file = Path(sys.argv[1])
log.start(file)
log.logger.info("hello \\x1b]0;title\\x07 and\\na second line")
print("printed by anybody", flush=True)
os.write(2, b"the last words of a library\\n")
try:
    raise ValueError("\\x1b[2J")
except ValueError:
    log.logger.exception("it failed")
assert sys.stdin.read() == ""
"""

CLEAN = """
import sys
from pathlib import Path
from mato.daemon import log
from mato_sessions.redact import Redactor
file = Path(sys.argv[1])
log.start(file)
redactor = Redactor(rules=True)
log.clean_with(redactor.text)
redactor.hold("held-0123-value")
log.logger.info("begun with %s and gh" + "p_%s", "held-0123-value", "a1" * 18)
try:
    raise ValueError("held-0123-value".encode().hex())
except ValueError:
    log.logger.exception("it failed")
"""

FILL = """
import logging, sys
from pathlib import Path
from mato.daemon import log
log.start(Path(sys.argv[1]))
root = logging.getLogger()
root.handlers[:] = [log.LogFile(Path(sys.argv[1]), largest_bytes=2000)]
for number in range(100):
    log.logger.info("line %03d %s", number, "x" * 50)
print("the end", flush=True)
"""


def _run(code: str, file: Path) -> None:
    subprocess.run([sys.executable, "-c", code, str(file)], check=True, input="unseen", text=True)


def test_lines_are_clean_and_what_is_printed_stands_among_them(tmp_path: Path) -> None:
    file = tmp_path / "daemon.log"
    _run(WRITE, file)
    text = file.read_text()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "hello ␛]0;title␇ and\n    a second line\n" in text
    assert "printed by anybody\n" in text
    assert "the last words of a library\n" in text
    assert "Traceback" in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_is_turned_over_at_its_size_and_the_streams_follow(tmp_path: Path) -> None:
    file = tmp_path / "daemon.log"
    _run(FILL, file)
    old = tmp_path / "daemon.log.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["daemon.log", "daemon.log.1"]
    assert file.stat().st_size <= 2100
    assert old.stat().st_size <= 2000
    text = old.read_text() + file.read_text()
    assert text.endswith("the end\n")
    numbers = [int(line.split(" line ")[1][:3]) for line in text.splitlines()[:-1]]
    assert numbers == list(range(numbers[0], 100))


def test_secrets_are_taken_out_of_records_and_of_what_was_raised(tmp_path: Path) -> None:
    file = tmp_path / "daemon.log"
    _run(CLEAN, file)
    text = file.read_text()
    assert "begun with [redacted] and [redacted: github token]" in text
    assert "ValueError: [redacted]" in text
    assert "held-0123" not in text
    assert "a1a1a1" not in text
