"""DAG files in a folder or a bucket: what changed is written, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from idiscover.aws.s3 import Bucket
from idiscover.metadata.models import Catalog, Context
from idiscover.plan.dag_files import render_dag_files
from idiscover.plan.model import Plan
from idiscover.plan.publish import render_publish_files
from idiscover.plan.sweep import render_sweep_files
from idiscover.plan.tableau import render_tableau_files

GENERATED_PREFIX = "dags/generated/"  # in the DAG bucket


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
        dags = sum(name.endswith(".py") for name in (*self.written, *self.unchanged))
        return (
            f"{dags} DAGs in {self.out}: {len(self.written)} files {would}written,"
            f" {len(self.deleted)} {would}deleted, {len(self.unchanged)} unchanged"
        )


def generated_files(plans: Sequence[Plan], catalog: Catalog, context: Context) -> dict[str, str]:
    """File name → text of all that is generated: DAGs of plans and of the environment, the plan of `publish_dags`."""
    told = {path for plan in plans for path in plan.header.metadata_versions}
    return {
        **render_dag_files(plans),
        **render_sweep_files(context),
        **render_tableau_files(catalog, context),
        **render_publish_files(
            context, {path: catalog.versions[path] for path in catalog.versions if path not in told}
        ),
    }


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


class FolderTarget:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> list[str]:
        """Names of the files there."""
        return [path.name for path in self._folder.glob("*") if path.suffix in (".py", ".json")]

    def read(self, name: str) -> str:
        """Text of one of them."""
        return (self._folder / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        """Writes one whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._folder / name)

    def delete(self, name: str) -> None:
        """Removes one."""
        (self._folder / name).unlink()


class BucketTarget:
    """A folder of a bucket; files in folders below it are not looked at."""

    def __init__(self, bucket: Bucket, prefix: str = GENERATED_PREFIX) -> None:
        self._bucket, self._prefix = bucket, prefix
        self.place = bucket.uri(prefix)

    def list(self) -> list[str]:
        """Names of the files there."""
        names = [key.removeprefix(self._prefix) for key in self._bucket.list(self._prefix)]
        return [name for name in names if "/" not in name and name.endswith((".py", ".json"))]

    def read(self, name: str) -> str:
        """Text of one of them."""
        return self._bucket.read_text(self._prefix + name)

    def write(self, name: str, text: str) -> None:
        """Writes one whole."""
        self._bucket.write_text(self._prefix + name, text, "text/plain; charset=utf-8")

    def delete(self, name: str) -> None:
        """Removes one."""
        self._bucket.delete([self._prefix + name])
