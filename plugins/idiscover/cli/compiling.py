"""Metadata → plans → DAG files, written to a folder or a bucket: what changed, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from idiscover.aws.s3 import Bucket
from idiscover.cli.places import is_s3, metadata_reader, read_context, split_s3
from idiscover.errors import ConfigError
from idiscover.metadata.loading import Reader, load_catalog
from idiscover.plan.build import build_plans
from idiscover.plan.dag_files import render_dag_files
from idiscover.plan.model import Plan
from idiscover.plan.sweep import render_sweep_files


class Target(Protocol):
    """Where DAG files are written."""

    def list(self) -> list[str]:
        """Names of the files there."""

    def read(self, name: str) -> str:
        """Text of one of them."""

    def write(self, name: str, text: str) -> None:
        """Writes one whole."""

    def delete(self, name: str) -> None:
        """Removes one."""


@dataclass
class CompileReport:
    """Files by what was done with them."""

    out: str
    written: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    plans: Sequence[Plan] = ()

    def text(self, dry_run: bool) -> str:
        """One line for people."""
        would = "would be " if dry_run else ""
        return (
            f"{len(self.plans) + 1} DAGs in {self.out}: {len(self.written)} files {would}written,"
            f" {len(self.deleted)} {would}deleted, {len(self.unchanged)} unchanged"
        )


def compile_dags(
    metadata: str | Reader, context_place: str, out: str, code_sha: str, dry_run: bool = False
) -> CompileReport:
    """Makes the DAG files of `metadata` in `out`. Nothing is written if anything in the metadata is wrong.

    Args:
        metadata: a folder, an `s3://` prefix, or a reader.
        context_place: a file, or s3://bucket/key.
        out: a folder, or an `s3://` prefix.
        code_sha: of the PySpark code that the DAGs are to run.
        dry_run: say what would be written, and write nothing.

    Raises:
        ConfigError: lists everything that is wrong.
    """
    context = read_context(context_place)
    reader = metadata_reader(metadata, context.region) if isinstance(metadata, str) else metadata
    catalog = load_catalog(reader)
    if not catalog.objects and not catalog.tables:
        # a folder that is not the right one must not take every DAG away
        where = metadata if isinstance(metadata, str) else "the metadata"
        raise ConfigError("no metadata", where=where, expected="objects/*.yaml and tables/*.yaml", remedy="--metadata")
    plans = build_plans(catalog, context, code_sha)
    files = {**render_dag_files(plans), **render_sweep_files(context)}
    report = CompileReport(out=out, plans=plans)
    target: Target = _BucketTarget(out, context.region) if is_s3(out) else _FolderTarget(Path(out))
    synchronise(files, target, report, dry_run)
    return report


def synchronise(files: Mapping[str, str], target: Target, report: CompileReport, dry_run: bool) -> None:
    """Plans before the stubs that read them, deletions last: whoever reads in between sees whole DAGs."""
    standing = set(target.list())
    for name in sorted(files, key=lambda item: (item.endswith(".py"), item)):
        if name in standing and target.read(name) == files[name]:
            report.unchanged.append(name)
            continue
        report.written.append(name)
        if not dry_run:
            target.write(name, files[name])
    for name in sorted(standing - set(files), key=lambda item: (not item.endswith(".py"), item)):
        report.deleted.append(name)
        if not dry_run:
            target.delete(name)


class _FolderTarget:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> list[str]:
        return [path.name for path in self._folder.glob("*") if path.suffix in (".py", ".json")]

    def read(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._folder / name)

    def delete(self, name: str) -> None:
        (self._folder / name).unlink()


class _BucketTarget:
    def __init__(self, place: str, region: str) -> None:
        bucket, self._prefix = split_s3(place.rstrip("/") + "/")
        self._bucket = Bucket(bucket, region)

    def list(self) -> list[str]:
        names = [key.removeprefix(self._prefix) for key in self._bucket.list(self._prefix)]
        return [name for name in names if "/" not in name and name.endswith((".py", ".json"))]

    def read(self, name: str) -> str:
        return self._bucket.read_text(self._prefix + name)

    def write(self, name: str, text: str) -> None:
        self._bucket.write_text(self._prefix + name, text, "text/plain; charset=utf-8")

    def delete(self, name: str) -> None:
        self._bucket.delete([self._prefix + name])
