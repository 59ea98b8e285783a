"""The `idiscover` command line: verbs for every environment, and those that entry points add."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from idiscover.errors import IdiscoverError

VERBS = "idiscover.verbs"

app = typer.Typer(
    name="idiscover",
    help="Salesforce to Redshift, generated from metadata, run by Airflow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MetadataOption = Annotated[str, typer.Option("--metadata", help="A folder, or s3://bucket/prefix/.")]
ContextOption = Annotated[str, typer.Option("--context", help="A file, or s3://bucket/key.")]
RootOption = Annotated[Path, typer.Option("--root", help="The repository.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def compile(
    metadata: MetadataOption = "metadata",
    context: ContextOption = "context/local.yaml",
    out: Annotated[str, typer.Option("--out", help="A folder, or s3://bucket/prefix/.")] = "dags/generated",
    root: RootOption = Path(),
    dry_run: DryRunOption = False,
) -> None:
    """Make the DAG files from metadata: one small file and one plan per DAG."""
    from idiscover.cli.compiling import compile_dags
    from idiscover.cli.release_code import code_sha, script_files

    report = compile_dags(metadata, context, out, code_sha(script_files(root.resolve())), dry_run)
    typer.echo(report.text(dry_run))


@app.command()
def deploy(
    context: ContextOption = "context/local.yaml",
    root: RootOption = Path(),
    dry_run: DryRunOption = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace metadata that were edited in the bucket since, too.")
    ] = False,
) -> None:
    """Bring code, metadata, tables, procedures and DAG files of this repository to an environment."""
    from idiscover.cli.deploying import deploy as run_deploy

    for line in run_deploy(root.resolve(), context, dry_run, overwrite):
        typer.echo(line)


def main() -> None:
    """The console script: verbs of other packages are added, errors of the platform end in words, not in traces."""
    for verbs in entry_points(group=VERBS):
        verbs.load()(app)
    try:
        app()
    except IdiscoverError as error:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
