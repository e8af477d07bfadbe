"""One file over HTTP into a part file, going on where a broken download stopped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx

from mato.models.embedded.sources import SourceFailed

_TRIES = 4
_CONTENT_RANGE = re.compile(r"bytes (\d+)-")
# A dead publisher must not hold up the next source; a slow one may take its time.
_TIMEOUT = httpx.Timeout(30, connect=5)


def download(url: str, part: Path, size_bytes: int, report: Callable[[int], None]) -> None:
    """Complete `part` with what `url` gives; `report` hears how many bytes are there.

    What has come stays in `part` when it fails, for the next try. The content is not checked here.

    Raises:
        SourceFailed: unreachable, refused, another size, or broken off too often.
    """
    broken = 0
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
        while (have := _size(part)) != size_bytes:
            try:
                _request(client, url, part, have, size_bytes, report)
            except httpx.ConnectError as error:
                raise SourceFailed(f"cannot be reached ({error})") from error
            except httpx.ConnectTimeout as error:
                raise SourceFailed("cannot be reached (no answer in 5 s)") from error
            except httpx.InvalidURL as error:
                raise SourceFailed(f"has an address that is none: {url!r}") from error
            except (httpx.TransportError, httpx.TooManyRedirects) as error:
                reason = str(error) or type(error).__name__
            else:
                reason = "the connection was closed early"
            now = _size(part)
            if now == size_bytes:
                return
            # Only tries that brought nothing count against the source.
            broken = 0 if now > have else broken + 1
            if broken == _TRIES:
                raise SourceFailed(f"broke off at {now:,} of {size_bytes:,} bytes ({reason})")


def _request(
    client: httpx.Client,
    url: str,
    part: Path,
    have: int,
    size_bytes: int,
    report: Callable[[int], None],
) -> None:
    # Without identity, a server that compresses would make ranges meaningless.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416 or have > size_bytes:
            part.unlink(missing_ok=True)  # the part is of another file
            return
        if answer.status_code not in (200, 206):
            raise SourceFailed(f"answers {answer.status_code} {answer.reason_phrase}".rstrip())
        start = _start(answer) if answer.status_code == 206 else 0
        if start not in (0, have):
            raise SourceFailed(f"sent bytes from {start} when asked for those from {have}")
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and start + int(length) != size_bytes:
            raise SourceFailed(
                f"has a file of {start + int(length):,} bytes instead of {size_bytes:,}"
            )
        with part.open("ab" if start else "wb") as out:
            done = start
            report(done)
            # As it comes: a chunk size would gather bytes in memory and lose them on a break.
            for piece in answer.iter_raw():
                done += len(piece)
                if done > size_bytes:
                    out.truncate(0)
                    raise SourceFailed(f"sends more than {size_bytes:,} bytes")
                out.write(piece)
                report(done)


def _start(answer: httpx.Response) -> int:
    match = _CONTENT_RANGE.match(answer.headers.get("Content-Range", ""))
    if match is None:
        raise SourceFailed("answers a range without saying which")
    return int(match.group(1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
