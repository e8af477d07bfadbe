"""The pure parts: the filter of system calls, the command line, modes against tiers, and notes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from mato.sandbox import seccomp
from mato.sandbox.bubblewrap import Mounts, arguments
from mato.sandbox.explaining import explain
from mato.sandbox.sandbox import Sandbox
from mato.sandbox.tier import Offer
from mato.sandbox.visible import View, view
from mato_sessions.errors import ConfigError, UsageError

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW = 0x7FFF0000


def judge(program: bytes, number: int, arch: int, *arguments: int) -> int:
    """What the kernel would do: a classic BPF machine of the few instructions that are used."""
    given = [number, arch, 0, 0]
    for value in (*arguments, *[0] * (6 - len(arguments))):
        given += [value & 0xFFFFFFFF, value >> 32]
    at, held = 0, 0
    while True:
        code, hit, miss, value = struct.unpack_from("=HBBI", program, at * 8)
        at += 1
        if code == 0x06:
            return value
        if code == 0x20:
            held = given[value // 4]
            continue
        met = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[code]
        at += hit if met else miss


@pytest.mark.parametrize("sockets", [True, False])
@pytest.mark.parametrize(
    ("machine", "ioctl", "socket", "clone", "read"),
    [("x86_64", 16, 41, 56, 0), ("aarch64", 29, 198, 220, 63)],
)
def test_the_filter_refuses_ways_out_and_nothing_else(machine, ioctl, socket, clone, read, sockets):
    program = seccomp.program(sockets=sockets, machine=machine)
    arch = _ARCH[machine]

    def allows(number: int, *arguments: int) -> bool:
        return judge(program, number, arch, *arguments) == _ALLOW

    assert allows(read, 0) and allows(ioctl, 1, 0x5401) and allows(clone, 0x11)
    assert not allows(ioctl, 1, 0x5412) and not allows(ioctl, 1, 0x541C)
    assert not allows(ioctl, 1, 0x1_0000_5412)  # the kernel looks at the low half alone
    assert not allows(clone, 0x10000011) and not allows(425) and not allows(435)
    assert [allows(socket, family) for family in (1, 2, 10, 16)] == [sockets] * 4
    assert not any(allows(socket, family) for family in (17, 38, 40))
    assert judge(program, read, 0x40000003) == 0x80000000  # another machine's numbers


def test_the_x32_names_of_calls_are_refused():
    program = seccomp.program(sockets=True, machine="x86_64")
    assert judge(program, 0x40000000 | 16, _ARCH["x86_64"], 1, 0x5412) != _ALLOW


def test_the_command_line_hides_before_it_protects(tmp_path: Path):
    shown = View(tmp_path / "home", (Path("/tools"),), ())
    mounts = Mounts(tmp_path, shown, (tmp_path / ".git",), (tmp_path / ".git/hooks",))
    said = arguments("bwrap", mounts, 7, ["sh"], disable_userns=True)
    order = [tmp_path / "home", tmp_path, tmp_path / ".git", tmp_path / ".git/hooks"]
    places = [said.index(str(path), said.index("--proc")) for path in order]
    assert places == sorted(places)
    for needed in ("--new-session", "--unshare-net", "--disable-userns"):
        assert needed in said
    assert said[-4:] == ["--seccomp", "7", "--", "sh"]


def test_programs_are_shown_and_what_lies_beside_them_is_not(tmp_path: Path):
    home = tmp_path / "home"
    for name in (".local/bin", ".cargo/bin", ".rustup", ".pyenv/shims", "bin", ".ssh/bin"):
        (home / name).mkdir(parents=True)
    path = ":".join(str(home / name) for name in
                    (".local/bin", ".cargo/bin", ".pyenv/shims", "bin", ".ssh/bin"))  # fmt: skip
    work = tmp_path / "work"
    (work / ".venv").mkdir(parents=True)
    (work / ".venv/pyvenv.cfg").write_text(f"home = {home}/.ssh/bin\n")
    found = view(work, {"HOME": str(home), "PATH": path}, [])
    shown = {str(each.relative_to(home)) for each in found.programs}
    assert shown == {".local/bin", ".cargo/bin", ".rustup", ".pyenv", "bin"}


def test_modes_above_ask_need_a_sandbox_or_a_word(offer: Offer):
    bare = Sandbox.of(Offer("none", ("none",), ("full: no bwrap",)), (), Path("/nonexistent"))
    bare.check("ask", "auto", unconfined=False)
    bare.check("full", "auto", unconfined=True)
    for mode in ("edit", "full"):
        with pytest.raises(UsageError, match=r"no bwrap.*--unconfined"):
            bare.check(mode, "auto", unconfined=False)
    with pytest.raises(ConfigError, match="'full', which does not work here"):
        bare.confine("full")


def test_a_result_says_what_the_sandbox_had_to_do_with_it():
    assert explain("full", 0, "Could not resolve host", []) == []
    assert explain("none", 1, "Could not resolve host", []) == []
    assert "no network" in explain("full", 1, "ERROR: No matching distribution found", [])[0]
    assert "only the workspace" in explain("full", 1, "touch: x: Read-only file system", [])[0]
    assert ".envrc" in explain("partial", 0, "", [".envrc"])[0]
