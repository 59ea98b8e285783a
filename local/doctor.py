"""What `idiscover doctor` asks on a laptop besides: the two environments, Java, the stack's parts and their ports."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from idiscover.cli.doctor.checks import Check, Report, fail, ok, warn

from local.aws.agent.java import find_java_home
from local.setup import LEAVES, missing_steps
from local.stack.layout import is_free, stack_layout
from local.stack.stack import look

_SETUP = "make setup"


def stack_checks(name: str) -> list[Check]:
    """Checks of the machine as a laptop, and of the stack `name`."""
    return [
        Check("environments", _environments, _SETUP),
        Check("Java", _java, _SETUP),
        Check("stack", lambda: _stack(name), f"idiscover up --stack {name}"),
    ]


def _environments() -> Report:
    for step in missing_steps():
        yield warn("environments", f"{step} is not there, or was made from other requirements", _SETUP)
    for name in ("airflow", "spark"):
        python = LEAVES[name]
        if not python.exists():
            yield fail("environments", f"no {name} environment at {python}", _SETUP)
            continue
        answer = subprocess.run([python, "-V"], capture_output=True, text=True, timeout=60, check=False)
        if answer.returncode == 0:
            yield ok("environments", f"{name}: {answer.stdout.strip()}")
        else:
            yield fail("environments", f"{name}: {python} does not run: {answer.stderr.strip()}", _SETUP)


def _java() -> Report:
    with tempfile.TemporaryDirectory(prefix="idiscover-") as folder:
        home = find_java_home(LEAVES["spark"], Path(folder))
        is_of_wheel = home.is_relative_to(folder)
    yield ok("Java", "17, of the Spark environment" if is_of_wheel else f"17, {home}")


def _stack(name: str) -> Report:
    states = look(stack_layout(name))
    if not states:
        yield warn("stack", f"there is no stack {name}", f"idiscover up --stack {name}")
        return
    for state in states:
        port = state.part.port
        if state.pid is None and port is not None and not is_free(port):
            remedy = "idiscover up takes another port; or end who listens there"
            yield fail("stack", f"{state.part.name} is down, and somebody else listens on its port {port}", remedy)
        elif not state.healthy:
            found = f"{state.part.name} is {state.word}"
            yield fail("stack", found, f"idiscover logs {state.part.name}; idiscover up --stack {name}")
    if all(state.healthy for state in states):
        yield ok("stack", f"{name}: {len(states)} parts are healthy")
