"""`idiscover deploy`, and the stages of a release below it: lint, test, build, environment, smoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, RootOption, app

deploy_app = typer.Typer(invoke_without_command=True)
app.add_typer(deploy_app, name="deploy")

DistOption = Annotated[Path, typer.Option("--dist", help="The folder of the artifacts.")]
DEFAULT_DIST = Path("dist")


@deploy_app.callback()
def deploy(
    command: typer.Context,
    context: ContextOption = DEFAULT_CONTEXT,
    root: RootOption = Path(),
    dry_run: DryRunOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace metadata that were edited in the bucket since, too.")
    ] = False,
    keep_edits: Annotated[
        bool, typer.Option("--keep-edits", help="Leave what was edited in the bucket as it is, and deploy the rest.")
    ] = False,
) -> None:
    """Bring code, metadata, tables, procedures and DAG files of this repository to an environment.

    The commands below are the other stages of a release; Jenkins runs them in this order: lint, test, build,
    environment, then this one, smoke.

    Metadata that were edited in the bucket since the last release stop it, and are shown as a diff: bring them here
    first (idiscover pull), or say what is to become of them.
    """
    if command.invoked_subcommand is not None:
        return
    from idiscover.cli.deploying import deploy as run_deploy

    if overwrite and keep_edits:
        raise typer.BadParameter("--overwrite and --keep-edits exclude each other")
    for line in run_deploy(root.resolve(), context, dry_run, overwrite, keep_edits):
        typer.echo(line)


@deploy_app.command()
def lint(root: RootOption = Path(), dry_run: DryRunOption = False) -> None:
    """Check the form of Python and SQL, the metadata against every context, the schemas against the models."""
    from idiscover.cli.delivery.checks import lint_commands, run_commands

    for line in run_commands(lint_commands(root.resolve()), root.resolve(), dry_run):
        typer.echo(line)


@deploy_app.command()
def test(root: RootOption = Path(), dry_run: DryRunOption = False) -> None:
    """Run all tests."""
    from idiscover.cli.delivery.checks import TEST_COMMANDS, run_commands

    for line in run_commands(TEST_COMMANDS, root.resolve(), dry_run):
        typer.echo(line)


@deploy_app.command()
def build(dist: DistOption = DEFAULT_DIST, root: RootOption = Path(), dry_run: DryRunOption = False) -> None:
    """Make plugins.zip, requirements.txt and constraints.txt for MWAA's image; the same sources give the same bytes."""
    from idiscover.cli.delivery.artifacts import build as run_build

    for line in run_build(root.resolve(), dist, dry_run):
        typer.echo(line)


@deploy_app.command()
def environment(
    context: ContextOption = DEFAULT_CONTEXT, dist: DistOption = DEFAULT_DIST, dry_run: DryRunOption = False
) -> None:
    """Upload the artifacts, and have MWAA take up what changed: 20 to 40 minutes if something did, seconds if not.

    Tasks that run go on: MWAA replaces its workers one after the other.
    """
    from idiscover.cli.delivery.artifacts import read_artifacts
    from idiscover.cli.delivery.environment import update_environment
    from idiscover.cli.places import read_context

    for line in update_environment(read_context(context), read_artifacts(dist), dry_run):
        typer.echo(line)


@deploy_app.command()
def smoke(
    context: ContextOption = DEFAULT_CONTEXT,
    timeout: Annotated[float, typer.Option("--timeout", min=1, help="Seconds that each check may take.")] = 300,
    dry_run: DryRunOption = False,
) -> None:
    """Check that Airflow parses every file, shows every DAG and pool that was deployed, and runs one."""
    from idiscover.cli.delivery.smoke import smoke as run_smoke
    from idiscover.cli.places import read_context

    for line in run_smoke(read_context(context), timeout, dry_run):
        typer.echo(line)
