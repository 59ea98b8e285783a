"""`idiscover compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idiscover.cli.app import (
    DEFAULT_CONTEXT,
    DEFAULT_METADATA,
    ContextOption,
    DryRunOption,
    MetadataOption,
    RootOption,
    app,
)


@app.command()
def compile(
    metadata: MetadataOption = DEFAULT_METADATA,
    context: ContextOption = DEFAULT_CONTEXT,
    out: Annotated[str, typer.Option("--out", help="A folder, or s3://bucket/prefix/.")] = "dags/generated",
    root: RootOption = Path(),
    dry_run: DryRunOption = False,
) -> None:
    """Make the DAG files from metadata: one small file and one plan per DAG."""
    from idiscover.cli.compiling import compile_dags
    from idiscover.cli.release_code import code_sha, script_files
    from idiscover.metadata.sql_inventory import SqlInventory

    sha, sql = code_sha(script_files(root.resolve())), SqlInventory.read(root / "sql")
    report = compile_dags(metadata, context, out, sha, dry_run, sql)
    typer.echo(report.text(dry_run))
