"""Where a stack lies and what it remembers: names, folders closed to others, settings, ports."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from local.stack.errors import StackError
from local.stack.layout import (
    HOST,
    PORT_RANGE,
    PORTS,
    Layout,
    ensure_settings,
    free_ports,
    is_free,
    load_settings,
    stack_layout,
    write_secret,
)
from local.stack.parts import stack_parts


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A stack in a folder with a blank, which is not there yet."""
    return Layout("one", tmp_path / "the stacks" / "one")


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "a/b", "/etc", ".hidden", "a b", "x" * 33, "-rf", "a\n"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(StackError, match="cannot be called"):
        stack_layout(name)


def test_stacks_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDISCOVER_STACKS", str(tmp_path / "else where"))
    assert stack_layout("two-2").home == tmp_path / "else where" / "two-2"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDISCOVER_STACKS", "relative")
    assert stack_layout("two-2").home == tmp_path / "relative" / "two-2", "parts run in another folder"
    monkeypatch.setenv("IDISCOVER_STACKS", "")
    assert stack_layout("two-2").home.parent.name == ".stack"


def test_everything_of_a_stack_is_its_owners(layout: Layout) -> None:
    ensure_settings(layout, {})
    assert mode(layout.home) == mode(layout.home.parent) == 0o700
    assert mode(layout.settings) == 0o600


def test_a_secret_is_written_whole_and_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "passwords.json"
    write_secret(path, "a long first text")
    write_secret(path, "short")
    assert (path.read_text(), mode(path), list(tmp_path.iterdir())) == ("short", 0o600, [path])


def test_settings_are_made_once(layout: Layout) -> None:
    made = ensure_settings(layout, {"scale": "0.02"})
    assert ensure_settings(layout, {}) == ensure_settings(layout, {"scale": "0.02"}) == load_settings(layout) == made
    assert set(made.ports) == set(PORTS) and len(set(made.ports.values())) == len(PORTS)


@pytest.mark.parametrize(("first", "then"), [({"scale": "0.02"}, {"scale": "1.0"}), ({}, {"seed": "7"})])
def test_other_options_for_a_stack_that_stands_are_refused(
    layout: Layout, first: dict[str, str], then: dict[str, str]
) -> None:
    ensure_settings(layout, first)
    with pytest.raises(StackError, match="idiscover reset --stack one"):
        ensure_settings(layout, then)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"ports": {}}', "null"])
def test_settings_that_cannot_be_read_are_said_with_the_remedy(layout: Layout, text: str) -> None:
    layout.home.mkdir(parents=True)
    layout.settings.write_text(text)
    with pytest.raises(StackError, match=r"stack\.json[\s\S]*remedy: idiscover reset"):
        load_settings(layout)


def test_settings_that_lack_a_port_are_of_another_time(layout: Layout) -> None:
    made = ensure_settings(layout, {})
    document = {**vars(made), "ports": {name: port for name, port in made.ports.items() if name != "aws"}}
    layout.settings.write_text(json.dumps(document))
    with pytest.raises(StackError, match="no port of aws"):
        load_settings(layout)


def test_a_stack_of_an_earlier_version_gets_the_ports_that_were_added(layout: Layout) -> None:
    made = ensure_settings(layout, {})
    standing = {name: port for name, port in made.ports.items() if name != "tableau"}
    layout.settings.write_text(json.dumps({**vars(made), "ports": standing}))
    before = load_settings(layout)
    assert before is not None and "tableau" not in {part.name for part in stack_parts(layout, before)}
    after = ensure_settings(layout, {})
    assert after.ports.items() >= standing.items() and set(after.ports) == set(PORTS)
    assert load_settings(layout) == after and "tableau" in {part.name for part in stack_parts(layout, after)}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "stacks").write_text("a file in the way")
    with pytest.raises(StackError, match="IDISCOVER_STACKS"):
        ensure_settings(Layout("one", tmp_path / "stacks" / "one"), {})


def test_ports_are_not_those_of_outgoing_connections() -> None:
    assert all(port in PORT_RANGE for port in free_ports(10))
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if ephemeral.exists():
        assert PORT_RANGE.stop <= int(ephemeral.read_text().split()[0])


def test_a_stack_that_is_down_keeps_its_ports_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ensure_settings(Layout("one", tmp_path / "one"), {})
    # hardly anything else is left to choose from: somebody else may take one of the others meanwhile
    spare = free_ports(len(PORTS) + 5, first.ports.values())
    monkeypatch.setattr("local.stack.layout.PORT_RANGE", [*first.ports.values(), *spare])
    second = ensure_settings(Layout("two", tmp_path / "two"), {})
    assert set(second.ports.values()) <= set(spare)


def test_when_there_are_no_ports_left_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.stack.layout.PORT_RANGE", range(20000, 20000))
    with pytest.raises(StackError, match="no free ports"):
        free_ports(1)


@pytest.mark.parametrize("address", [HOST, ""])
def test_a_port_that_somebody_listens_on_is_not_free(address: str) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, 0))
        server.listen()
        assert not is_free(server.getsockname()[1])


def test_a_port_that_was_just_left_is_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        client = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # the side that closes first keeps the address for a while
        client.close()
    assert is_free(port)
