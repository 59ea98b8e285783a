"""The verbs that local/ adds to the `idiscover` command line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

StackOption = Annotated[str, typer.Option("--stack", help="Which stack; several run side by side.")]
SeedOption = Annotated[str | None, typer.Option("--seed", help="Of the org's event log, at the stack's first start.")]
ScaleOption = Annotated[
    str | None, typer.Option("--scale", help="Size of the org, at the stack's first start; 1 is normal.")
]


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`."""
    for verb in (up, demo, day, down, reset, status, logs, verify):
        app.command()(verb)


def up(stack: StackOption = "default", seed: SeedOption = None, scale: ScaleOption = None) -> None:
    """Start what is missing or dead, and provision it."""
    from local.demo.day import bring_up

    _guarded(lambda: bring_up(stack, _options(seed, scale)))


def demo(stack: StackOption = "default", seed: SeedOption = None, scale: ScaleOption = None) -> None:
    """Start the stack, run the org's current day through it, count every hop anew."""
    from local.demo.day import run_demo

    _guarded(lambda: run_demo(stack, _options(seed, scale)))


def day(stack: StackOption = "default") -> None:
    """Move the org one day on and run that day: only deltas travel."""
    from local.demo.day import run_next_day

    _guarded(lambda: run_next_day(stack))


def verify(stack: StackOption = "default") -> None:
    """Count every hop of the org's current day anew; exit status 1 if any differs."""
    from local.demo.day import run_verification

    _guarded(lambda: run_verification(stack))


def down(stack: StackOption = "default") -> None:
    """Stop the stack; its state stays."""
    from local.stack.layout import stack_layout
    from local.stack.stack import stop

    stop(stack_layout(stack), typer.echo)


def reset(
    stack: StackOption = "default", yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Stop the stack and forget its state: org, bucket, warehouse, Airflow."""
    from local.stack.layout import stack_layout
    from local.stack.stack import forget

    if not yes:
        typer.confirm(f"Forget everything in {stack_layout(stack).home}?", abort=True)
    forget(stack_layout(stack), typer.echo)


def status(stack: StackOption = "default") -> None:
    """The stack's parts: state, pid, port, log."""
    from rich.console import Console
    from rich.table import Table

    from local.stack.layout import stack_layout
    from local.stack.stack import look

    states = look(stack_layout(stack))
    if not states:
        typer.echo(f"there is no stack {stack}; make up starts one")
        raise typer.Exit(1)
    table = Table("part", "state", "pid", "port", "log")
    for state in states:
        table.add_row(
            state.part.name, state.word, str(state.pid or ""), str(state.part.port or ""), str(state.record.log)
        )
    Console().print(table)
    raise typer.Exit(0 if all(state.healthy for state in states) else 1)


def logs(
    part: Annotated[str, typer.Argument(help="A part's name; `idiscover status` lists them.")],
    stack: StackOption = "default",
) -> None:
    """Print a part's log."""
    from local.stack.layout import stack_layout

    path = stack_layout(stack).logs / f"{part}.log"
    if not path.is_file():
        found = ", ".join(sorted(item.stem for item in path.parent.glob("*.log"))) or "none"
        typer.echo(f"no log of {part}; there are: {found}", err=True)
        raise typer.Exit(1)
    with Path(path).open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)


def _options(seed: str | None, scale: str | None) -> dict[str, str]:
    return {name: value for name, value in (("seed", seed), ("scale", scale)) if value is not None}


def _guarded(action: Callable[[], int | None]) -> None:
    """Errors of the stack end in words; the exit status is the action's."""
    from local.airflow_api import AirflowApiError
    from local.stack.stack import StackError

    try:
        code = action()
    except (StackError, AirflowApiError) as error:
        typer.echo(f"\n{error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(code or 0)
