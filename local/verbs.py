"""The verbs that local/ adds to the `idiscover` command line."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from idiscover.cli.joining import joins, more_checks
from idiscover.errors import ConfigError

if TYPE_CHECKING:
    from idiscover.cli.doctor.checks import Check

_ENVIRONMENT = "local"  # as context/local.yaml calls it
StackOption = Annotated[str, typer.Option("--stack", help="Which stack; several run side by side.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of the org's event log, at the stack's first start.")
]
ScaleOption = Annotated[
    float | None,
    typer.Option("--scale", min=0.001, max=1000, help="Size of the org, at the stack's first start; 1 is normal."),
]


def register(app: typer.Typer) -> None:
    """Adds the verbs to `app`; with the laptop's context, all others find the stack's stand-ins."""
    joins[_ENVIRONMENT] = _stack_variables
    more_checks[_ENVIRONMENT] = _stack_checks
    for verb in (up, demo, day, down, reset, stack, logs, verify, sqllint):
        app.command()(verb)


def _stack_variables() -> dict[str, str]:
    """Where a process finds the stack's stand-ins; nothing where there is no stack. IDISCOVER_STACK names another."""
    from local.stack.environment import client_environment
    from local.stack.errors import StackError
    from local.stack.layout import load_settings, stack_layout

    try:
        layout = stack_layout(_chosen_stack())
        settings = load_settings(layout)
    except StackError as error:  # a whole message, for a verb that knows the platform's errors only
        raise ConfigError(str(error)) from error
    return {} if settings is None else client_environment(layout, settings)


def _stack_checks() -> Sequence[Check]:
    from local.doctor import stack_checks

    return stack_checks(_chosen_stack())


def _chosen_stack() -> str:
    return os.environ.get("IDISCOVER_STACK") or "default"


def up(stack: StackOption = "default", seed: SeedOption = None, scale: ScaleOption = None) -> None:
    """Start what is missing or dead, and provision it."""

    def action() -> int:
        from local.demo.day import bring_up

        return bring_up(stack, _options(seed, scale))

    _guarded(action)


def demo(stack: StackOption = "default", seed: SeedOption = None, scale: ScaleOption = None) -> None:
    """Start the stack, run the org's current day through it, count every hop anew."""

    def action() -> int:
        from local.demo.day import run_demo

        return run_demo(stack, _options(seed, scale))

    _guarded(action)


def day(stack: StackOption = "default") -> None:
    """Move the org one day on and run that day: only deltas travel."""

    def action() -> int:
        from local.demo.day import run_next_day

        return run_next_day(stack)

    _guarded(action)


def verify(stack: StackOption = "default") -> None:
    """Count every hop of the org's current day anew; exit status 1 if any differs."""

    def action() -> int:
        from local.demo.day import run_verification

        return run_verification(stack)

    _guarded(action)


def down(stack: StackOption = "default") -> None:
    """Stop the stack; its state stays."""

    def action() -> None:
        from local.stack.layout import stack_layout
        from local.stack.stack import stop

        stop(stack_layout(stack), typer.echo)

    _guarded(action)


def reset(
    stack: StackOption = "default", yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Stop the stack and forget its state: org, bucket, warehouse, Airflow."""

    def action() -> None:
        from local.stack.layout import stack_layout
        from local.stack.stack import forget

        layout = stack_layout(stack)
        if not yes:
            typer.confirm(f"Forget everything in {layout.home}?", abort=True)
        forget(layout, typer.echo)

    _guarded(action)


def stack(stack: StackOption = "default") -> None:
    """Show the stack's parts: state, pid, port, log; exit status 1 if one is not healthy."""

    def action() -> int:
        from local.stack.layout import stack_layout
        from local.stack.stack import look

        layout = stack_layout(stack)
        states = look(layout)
        if not states:
            typer.echo(f"there is no stack {stack}; make up starts one")
            return 1
        typer.echo(f"stack {stack}, logs in {layout.logs}")
        for state in states:
            port = str(state.part.port or "")
            typer.echo(
                f"  {state.part.name:<22} {state.word:<9} {state.pid or '':>8} {port:>6}  {state.record.log.name}"
            )
        return 0 if all(state.healthy for state in states) else 1

    _guarded(action)


def logs(
    part: Annotated[str, typer.Argument(help="A part's name; `idiscover stack` lists them.")],
    stack: StackOption = "default",
) -> None:
    """Print a part's log."""

    def action() -> int:
        from local.stack.layout import stack_layout

        folder = stack_layout(stack).logs
        found = {path.stem: path for path in sorted(folder.glob("*.log"))}
        if part not in found:
            typer.echo(f"no log of {part}; there are: {', '.join(found) or 'none'}", err=True)
            return 1
        with found[part].open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        return 0

    _guarded(action)


def _options(seed: int | None, scale: float | None) -> dict[str, str]:
    return {name: str(value) for name, value in (("seed", seed), ("scale", scale)) if value is not None}


# Errors of the stack, which are whole messages, and those of the libraries that talk to its parts.
_MESSAGES = ("StackError", "DayFailed", "ClusterError", "ConfigError", "FatalError", "RetriableError")
_CLIENTS = ("requests", "psycopg2", "botocore")


def _guarded(action: Callable[[], int | None]) -> None:
    """What may go wrong with a stack ends in words; the exit status is the action's."""
    try:
        code = action()
    except Exception as error:
        # known by name: to import them all costs a second that `stack` does not have
        if type(error).__name__ in _MESSAGES:
            typer.echo(f"\n{error}", err=True)
        elif type(error).__module__.partition(".")[0] in _CLIENTS:
            typer.echo(f"\na part of the stack does not answer\n  got: {error}", err=True)
            typer.echo("  remedy: idiscover stack shows which; idiscover up starts what is dead", err=True)
        else:
            raise
        raise typer.Exit(1) from None
    raise typer.Exit(code or 0)


def sqllint(
    root: Annotated[Path, typer.Option("--root", help="The repository.")] = Path(),
) -> None:
    """Lint what sqlfluff does not see in sql/: the SQL that is rendered from metadata, and the bodies of procedures."""
    from local.sql_rules.linting import lint_rendered

    for line in lint_rendered(root.resolve()):
        typer.echo(line)
