"""Names of hosts that may be reached: read from settings, and matched exactly."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

import msgspec

from mato_sessions.errors import ConfigError

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_WEB = (443, 80)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Host(msgspec.Struct, frozen=True, order=True):
    """One end of a connection."""

    name: str
    """In its one form: small letters, no dot at the end, IDNA; or an address."""
    port: int

    def says(self) -> str:
        """For people; the port of https is left out."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == 443 else f"{name}:{self.port}"


class Allowed(msgspec.Struct, frozen=True):
    """What may be reached."""

    hosts: frozenset[Host] = frozenset()
    """By a proxy that looks at names."""
    loopback: tuple[int, ...] = ()
    """Ports of this machine itself, which are to be found at the same place inside."""

    def __bool__(self) -> bool:
        return bool(self.hosts or self.loopback)

    def addresses(self) -> frozenset[str]:
        """The addresses that are named themselves."""
        return frozenset(host.name for host in self.hosts if address(host.name) is not None)


def parse(entries: Iterable[str], where: str) -> Allowed:
    """What a list of `name` and `name:port` allows.

    Raises:
        ConfigError: an entry is no exact host.
    """
    found: set[Host] = set()
    loopback: set[int] = set()
    for entry in entries:
        name, ports = _split(entry, where)
        if name in _LOOPBACK:
            if len(ports) != 1 or ports[0] < 1024:
                raise ConfigError(
                    f"{where}: {entry!r} is this machine, so it needs a port from 1024 on, as in "
                    "'localhost:8080'"
                )
            loopback.add(ports[0])
        else:
            found |= {Host(name, port) for port in ports}
    return Allowed(frozenset(found), tuple(sorted(loopback)))


def _split(entry: str, where: str) -> tuple[str, tuple[int, ...]]:
    text, port = entry.strip(), ""
    if text.startswith("["):
        text, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
    name = normal(text)
    numbered = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if name is None or (port and not numbered):
        raise ConfigError(
            f"{where}: {entry!r} is no exact host; write each one as 'pypi.org' or 'pypi.org:8443'"
        )
    return name, (int(port),) if port else _WEB


def normal(name: str) -> str | None:
    """The one form of a host's name or address; None where it is neither.

    Numbers that resolvers take for addresses (``0x7f.1``, ``2130706433``) are neither.
    """
    number = address(name)
    if number is not None:
        return str(number)
    text = name.lower().removesuffix(".")
    if not text.isascii():
        import idna  # tables of the whole of Unicode, for a name that hardly ever comes

        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError:
            return None
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    last = labels[-1]
    return None if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) else text


def address(name: str) -> Address | None:
    """The address that a text is, zones refused and IPv4 taken out of IPv6."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        return found.ipv4_mapped or found
    return found


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def public(number: Address) -> bool:
    """Whether an address is one of the wide network, and so nobody's inside."""
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo or (None, None))[1]
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None and not public(inner):
            return False
    return number.is_global and not number.is_multicast
