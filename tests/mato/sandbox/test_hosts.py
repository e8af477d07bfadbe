"""Hosts are matched exactly, in one form, and lead to public addresses only."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mato.config import hosts
from mato.config.hosts import Host
from mato.sandbox import hello
from mato.sandbox.reach import Reach, Refused
from mato_sessions.errors import ConfigError

LISTED = hosts.parse(["PyPI.org.", "bücher.example", "b.example:8443", "10.0.0.7:8080"], "here")


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("pypi.org", 443),
        ("PYPI.ORG", 80),
        ("pypi.org.", 443),
        ("xn--bcher-kva.example", 443),
        ("b.example", 8443),
        ("10.0.0.7", 8080),
        ("::ffff:10.0.0.7", 8080),
    ],
)
def test_a_listed_host_is_found_however_it_is_written(name: str, port: int):
    assert Reach(LISTED).admit(name, port) in LISTED.hosts


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("evil.org", 443),
        ("pypi.org", 22),
        ("b.example", 443),
        ("pypi.org.evil.org", 443),
        ("evilpypi.org", 443),
        ("files.pypi.org", 443),
        ("org", 443),
        ("pypi.org..", 443),
        ("pypi.org\0.evil.org", 443),
        ("pypi.org@evil.org", 443),
        ("pypi。org.evil", 443),
        ("рyрi.org", 443),
        ("151.101.0.223", 443),
        ("0x0a000007", 8080),
        ("167772167", 8080),
        ("10.7", 8080),
        ("10.0.0.7", 443),
        ("fe80::1%eth0", 443),
        ("", 443),
        ("pypi.org ", 443),
    ],
)
def test_what_is_not_listed_is_refused(name: str, port: int):
    with pytest.raises(Refused):
        Reach(LISTED).admit(name, port)


@pytest.mark.parametrize(
    "entry", ["*.pypi.org", "https://pypi.org", "pypi.org/simple", "a b", "", ".", "x:0", "x:99999",
              "x:y", "127.0.0.1", "localhost:80", "[::1", "1.2.3", "0x7f.1", "a..b", "-a.org"]
)  # fmt: skip
def test_what_is_no_exact_host_is_no_entry(entry: str):
    with pytest.raises(ConfigError, match=r"^here: "):
        hosts.parse([entry], "here")


def test_this_machine_is_named_by_its_ports():
    found = hosts.parse(["localhost:8080", "127.0.0.1:11434", "[::1]:8080"], "here")
    assert found.loopback == (8080, 11434) and not found.hosts


@pytest.mark.parametrize(
    ("address", "sound"),
    [
        ("151.101.0.223", True),
        ("2a04:4e42::223", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("224.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff0e::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::9765:df", True),
        ("2002:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_wide_network_are_public(address: str, sound: bool):
    found = hosts.address(address)
    assert found is not None
    assert hosts.public(found) is sound


@given(st.text(max_size=60))
def test_a_name_has_one_form_or_none(name: str):
    found = hosts.normal(name)
    assert found is None or hosts.normal(found) == found


async def test_a_listed_name_that_leads_inside_is_not_connected_to():
    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.1", "169.254.169.254", "fe80::1%lo"]

    reach = Reach(LISTED, resolve)
    with pytest.raises(Refused, match="no public address"):
        await reach.connect(Host("pypi.org", 443))


def _said(name: str | None) -> bytes:
    """What a real client sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_the_name_that_a_client_speaks_to_is_read_from_all_of_its_first_words():
    said = _said("pypi.org")
    for cut in range(len(said)):
        assert hello.read(said[:cut]).kind == "more"
    assert hello.read(said) == hello.Hello("tls", "pypi.org")
    assert hello.read(_said(None)) == hello.Hello("tls", "")


def test_a_name_in_many_records_is_read_and_a_second_or_hidden_one_is_seen():
    said = _said("pypi.org")
    message, cut = said[5:], b""
    for at in range(0, len(message), 7):
        piece = message[at : at + 7]
        cut += said[:3] + len(piece).to_bytes(2, "big") + piece
    assert hello.read(cut) == hello.Hello("tls", "pypi.org")
    name = b"\0\0\0\x0d\0\x0b\0\0\x08pypi.org"
    for more in (name, b"\xfe\x0d\0\0"):
        changed = message + more
        at = message.index(name) - 2
        # The length of all extensions stands before the first of them.
        for place in range(at, 0, -1):
            length = int.from_bytes(message[place : place + 2], "big")
            if place + 2 + length == len(message):
                changed = (
                    changed[:place]
                    + (length + len(more)).to_bytes(2, "big")
                    + (changed[place + 2 :])
                )
                break
        changed = changed[:1] + (len(changed) - 4).to_bytes(3, "big") + changed[4:]
        record = said[:3] + len(changed).to_bytes(2, "big") + changed
        assert hello.read(record).kind == "hidden"


@pytest.mark.parametrize("data", [b"SSH-2.0-x", b"GET / HTTP/1.1", b"\x16\x02", b"\x00" * 9])
def test_what_is_no_tls_is_known_as_such(data: bytes):
    assert hello.read(data).kind == "other"


@given(st.binary(max_size=200), st.integers(0, 199), st.integers(0, 255))
def test_nothing_that_a_client_sends_is_an_error(data: bytes, place: int, value: int):
    said = bytearray(_HELLO)
    said[place] = value
    for each in (data, b"\x16\3\1" + data, bytes(said)):
        assert hello.read(each).kind in ("more", "tls", "other", "hidden")


_HELLO = _said("pypi.org")
