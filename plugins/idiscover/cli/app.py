"""The `idiscover` command line itself, and the options that several verbs share. Each verb is a module of `verbs/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="idiscover",
    help="Salesforce to Redshift, generated from metadata, run by Airflow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

MetadataOption = Annotated[str, typer.Option("--metadata", help="A folder, or s3://bucket/prefix/.")]
ContextOption = Annotated[
    str, typer.Option("--context", envvar="IDISCOVER_CONTEXT", help="A file, or s3://bucket/key.")
]
RootOption = Annotated[Path, typer.Option("--root", help="The repository.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
DEFAULT_METADATA, DEFAULT_CONTEXT = "metadata", "context/local.yaml"
