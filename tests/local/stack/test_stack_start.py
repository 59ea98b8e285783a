"""Starting, looking at and stopping a stack of small real servers in the place of its parts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from local.postgres import ClusterError
from local.stack import stack as stack_module
from local.stack.layout import HOST, Layout, Settings, free_ports, load_settings
from local.stack.parts import Part
from local.stack.process import STACK_MARK
from local.stack.stack import StackError, alone, forget, look, start, stop

SERVER = """
import http.server, sys
name, port = sys.argv[1], int(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(name.encode())
    def log_message(self, *args): pass
print(name, 'listens', flush=True)
http.server.HTTPServer(('127.0.0.1', port), Handler).serve_forever()
"""


def answer(port: int) -> str | None:
    """What the server on a port says its name is, None where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/", timeout=2) as response:
            return str(response.read().decode())
    except (OSError, urllib.error.URLError):
        return None


def small_parts(layout: Layout, settings: Settings) -> list[Part]:
    """Two servers; the second one's wave waits for the first."""

    def part(name: str, wave: int) -> Part:
        port = settings.ports[name]
        return Part(
            name=name,
            command=[sys.executable, "-c", SERVER, f"{layout.name} {name}", str(port)],
            environment=dict(os.environ),
            healthy=lambda: answer(port) == f"{layout.name} {name}",
            port=port,
            start_seconds=60,
            wave=wave,
        )

    return [part("postgres", 0), part("aws", 1)]


@pytest.fixture
def layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Layout]]:
    """Two stacks in a folder with a blank; both are stopped after the test."""
    monkeypatch.setattr(stack_module, "stack_parts", small_parts)
    monkeypatch.setattr(stack_module, "_SETTLE_SECONDS", 0.0)
    found = [Layout(name, tmp_path / "the stacks" / name) for name in ("one", "two")]
    yield found
    for layout in found:
        stop(layout, lambda line: None)


def pids(layout: Layout) -> dict[str, int | None]:
    """Pid per part."""
    return {state.part.name: state.pid for state in look(layout)}


def test_a_start_brings_all_parts_up_and_a_second_one_changes_nothing(layouts: list[Layout]) -> None:
    said: list[str] = []
    start(layouts[0], said.append)
    assert [line.split()[0] for line in said] == ["postgres", "aws"], "wave by wave"
    assert [state.word for state in look(layouts[0])] == ["healthy", "healthy"]
    before = pids(layouts[0])
    said.clear()
    start(layouts[0], said.append)
    assert said == []
    assert pids(layouts[0]) == before


@pytest.mark.parametrize("victim", ["postgres", "aws"])
def test_a_killed_part_comes_back_and_the_others_stay(layouts: list[Layout], victim: str) -> None:
    settings = start(layouts[0], lambda line: None)
    before = pids(layouts[0])
    os.kill(before[victim] or 0, signal.SIGKILL)
    while pids(layouts[0])[victim] is not None:  # the kernel takes its moment
        time.sleep(0.02)
    again = start(layouts[0], lambda line: None)
    after = pids(layouts[0])
    assert after[victim] not in (None, before[victim])
    assert {name: pid for name, pid in after.items() if name != victim} == {
        name: pid for name, pid in before.items() if name != victim
    }
    assert again.ports == settings.ports, "addresses stay"


def test_a_part_that_follows_another_into_death_a_moment_later_comes_back_too(
    layouts: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(layouts[0], lambda line: None)
    before = pids(layouts[0])
    os.kill(before["postgres"] or 0, signal.SIGKILL)
    while pids(layouts[0])["postgres"] is not None:
        time.sleep(0.02)

    def settle(seconds: float) -> None:
        victim = pids(layouts[0])["aws"]
        if victim == before["aws"] and victim is not None:
            os.kill(victim, signal.SIGKILL)
        sleep(0.1)

    sleep = time.sleep
    monkeypatch.setattr(stack_module.time, "sleep", settle)
    start(layouts[0], lambda line: None)
    monkeypatch.undo()
    monkeypatch.setattr(stack_module, "stack_parts", small_parts)
    assert [state.word for state in look(layouts[0])] == ["healthy", "healthy"]
    assert not set(pids(layouts[0]).values()) & set(before.values())


def test_a_part_that_holds_code_is_started_anew_once_it_has_changed(
    layouts: list[Layout], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def holding(layout: Layout, settings: Settings) -> list[Part]:
        return [replace(part, holds_code=part.name == "aws") for part in small_parts(layout, settings)]

    code = tmp_path / "plugins" / "package" / "module.py"
    code.parent.mkdir(parents=True)
    code.touch()
    os.utime(code, (time.time() - 60, time.time() - 60))
    monkeypatch.setattr(stack_module, "ROOT", tmp_path)
    monkeypatch.setattr(stack_module, "stack_parts", holding)
    layout = layouts[0]
    start(layout, print)
    before = pids(layout)
    start(layout, print)
    assert pids(layout) == before
    os.utime(code, (time.time() + 1, time.time() + 1))
    start(layout, print)
    after = pids(layout)
    assert after["postgres"] == before["postgres"] and after["aws"] not in (before["aws"], None)


def test_two_stacks_run_side_by_side(layouts: list[Layout]) -> None:
    one, two = (start(layout, lambda line: None) for layout in layouts)
    assert not set(one.ports.values()) & set(two.ports.values())
    assert one.passwords != two.passwords
    stop(layouts[0], lambda line: None)
    assert [state.word for state in look(layouts[0])] == ["down", "down"]
    assert [state.word for state in look(layouts[1])] == ["healthy", "healthy"]


def test_ports_stay_over_a_stop_unless_somebody_took_them(layouts: list[Layout]) -> None:
    first = start(layouts[0], lambda line: None)
    stop(layouts[0], lambda line: None)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((HOST, first.ports["aws"]))
        squatter.listen()
        second = start(layouts[0], lambda line: None)
    assert second.ports["aws"] != first.ports["aws"]
    assert second.ports["postgres"] == first.ports["postgres"]
    assert load_settings(layouts[0]) == second, "and the new one is remembered"
    assert [state.word for state in look(layouts[0])] == ["healthy", "healthy"]


def test_settings_are_for_their_owner_only(layouts: list[Layout]) -> None:
    start(layouts[0], lambda line: None)
    assert layouts[0].settings.stat().st_mode & 0o077 == 0
    assert json.loads(layouts[0].settings.read_text())["passwords"]


def test_a_part_that_ends_is_named_with_the_last_lines_of_its_log(
    layouts: list[Layout], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(layout: Layout, settings: Settings) -> list[Part]:
        command = [sys.executable, "-c", "print('the disk of the moon is full'); raise SystemExit(3)"]
        return [Part("postgres", command, dict(os.environ), healthy=lambda: False, start_seconds=60)]

    monkeypatch.setattr(stack_module, "stack_parts", broken)
    with pytest.raises(StackError, match=r"postgres has ended[\s\S]*the disk of the moon is full"):
        start(layouts[0], lambda line: None)


def test_a_part_that_does_not_answer_is_given_up(layouts: list[Layout], monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(layout: Layout, settings: Settings) -> list[Part]:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        return [Part("postgres", command, dict(os.environ), healthy=lambda: False, start_seconds=0.3)]

    monkeypatch.setattr(stack_module, "stack_parts", silent)
    with pytest.raises(StackError, match="postgres runs, but is not healthy after"):
        start(layouts[0], lambda line: None)


def test_reset_stops_and_forgets(layouts: list[Layout]) -> None:
    settings = start(layouts[0], lambda line: None)
    forget(layouts[0], lambda line: None)
    assert not layouts[0].home.exists()
    assert look(layouts[0]) == []
    assert all(answer(port) is None for port in settings.ports.values())


def test_chosen_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(40)
    assert len(set(ports)) == 40
    with socket.socket() as server:
        server.bind((HOST, ports[0]))


def test_a_port_that_was_taken_after_a_kill_is_chosen_anew(layouts: list[Layout]) -> None:
    """The record of the killed part still lies there; who listens now is somebody else."""
    first = start(layouts[0], lambda line: None)
    os.kill(pids(layouts[0])["aws"] or 0, signal.SIGKILL)
    while pids(layouts[0])["aws"] is not None:  # its port is given back a moment before the process has gone
        time.sleep(0.02)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((HOST, first.ports["aws"]))
        squatter.listen()
        second = start(layouts[0], lambda line: None)
    assert second.ports["aws"] != first.ports["aws"]
    assert [state.word for state in look(layouts[0])] == ["healthy", "healthy"]


def test_what_no_part_minds_ends_with_the_stack(layouts: list[Layout]) -> None:
    """A step whose agent was killed, a task whose scheduler was: in sessions of their own, with the stack's mark."""
    start(layouts[0], lambda line: None)
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    strays = [
        subprocess.Popen(command, env={**os.environ, STACK_MARK: str(layout.home)}, start_new_session=True)
        for layout in layouts
    ]
    try:
        said: list[str] = []
        stop(layouts[0], said.append)
        assert not psutil.pid_exists(strays[0].pid)
        assert strays[1].poll() is None, "that one is another stack's"
        assert any("1 processes left behind" in line for line in said)
    finally:
        for stray in strays:
            stray.kill()
            stray.wait()


def test_stopping_twice_says_that_nothing_runs(layouts: list[Layout]) -> None:
    start(layouts[0], lambda line: None)
    stop(layouts[0], lambda line: None)
    said: list[str] = []
    stop(layouts[0], said.append)
    stop(layouts[1], said.append)
    assert said == ["nothing runs of stack one", "nothing runs: there is no stack two"]


def test_two_starters_take_turns(layouts: list[Layout]) -> None:
    said: list[str] = []
    with alone(layouts[0], said.append):
        second = threading.Thread(target=lambda: start(layouts[0], said.append))
        second.start()
        while not said:
            time.sleep(0.02)
        assert look(layouts[0]) == [], "it waits"
    second.join(30)
    assert "somebody else starts or stops the stack one" in said[0]
    assert [state.word for state in look(layouts[0])] == ["healthy", "healthy"]


@pytest.mark.parametrize("error", [ClusterError("initdb failed"), PermissionError("no"), StackError("the log says so")])
def test_a_part_that_cannot_be_prepared_is_named(
    layouts: list[Layout], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail() -> None:
        raise error

    def unprepared(layout: Layout, settings: Settings) -> list[Part]:
        return [Part("postgres", [sys.executable], dict(os.environ), healthy=lambda: False, prepare=fail)]

    monkeypatch.setattr(stack_module, "stack_parts", unprepared)
    with pytest.raises(StackError, match=str(error)):
        start(layouts[0], lambda line: None)


def test_a_folder_that_is_no_stack_is_not_removed(layouts: list[Layout]) -> None:
    layouts[0].home.mkdir(parents=True)
    (layouts[0].home / "thesis.tex").write_text("years of work")
    with pytest.raises(StackError, match="is no stack"):
        forget(layouts[0], lambda line: None)
    assert (layouts[0].home / "thesis.tex").exists()


def test_a_reset_takes_postgres_along_wherever_it_lies(layouts: list[Layout], tmp_path: Path) -> None:
    start(layouts[0], lambda line: None)
    elsewhere, precious = tmp_path / "idiscover-postgres-1-2", tmp_path / "precious"
    for folder in (elsewhere, precious):
        (folder / "data").mkdir(parents=True)
    note = layouts[0].state("postgres") / "relocated"
    note.parent.mkdir()
    note.write_text(str(elsewhere))
    forget(layouts[0], lambda line: None)
    assert not elsewhere.exists() and not layouts[0].home.exists()
    start(layouts[0], lambda line: None)
    note.parent.mkdir()
    note.write_text(str(precious))
    forget(layouts[0], lambda line: None)
    assert precious.exists(), "that is no place that we made"


def test_an_interrupted_reset_is_finished_by_the_next(layouts: list[Layout], monkeypatch: pytest.MonkeyPatch) -> None:
    first = start(layouts[0], lambda line: None)
    with monkeypatch.context() as patch:
        patch.setattr(stack_module.shutil, "rmtree", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            forget(layouts[0], lambda line: None)
    assert look(layouts[0]) == [], "nothing half removed is taken for a stack"
    second = start(layouts[0], lambda line: None)
    assert second.passwords != first.passwords
    forget(layouts[0], lambda line: None)
    assert sorted(path.name for path in layouts[0].home.parent.iterdir()) == [".one.lock"]


def test_a_stack_whose_settings_are_broken_can_be_reset(layouts: list[Layout]) -> None:
    start(layouts[0], lambda line: None)
    running = pids(layouts[0])
    layouts[0].settings.write_text("{")
    forget(layouts[0], lambda line: None)
    assert not layouts[0].home.exists()
    assert not [pid for pid in running.values() if pid and psutil.pid_exists(pid)]
