"""Where Ids of records are left: every version of every object of the data bucket, every table of both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from idiscover.aws import erasure_tables, job_metadata_erasures
from idiscover.aws.erasure_tables import Ids
from idiscover.aws.job_metadata import JobMetadata
from idiscover.aws.object_versions import ObjectVersion, VersionedBucket
from idiscover.aws.redshift import run_transaction
from idiscover.metadata.models import Context

DATA_LAYERS = ("source", "archive")


@dataclass(frozen=True)
class Findings:
    """What holds one of the Ids."""

    versions: Sequence[ObjectVersion]
    tables: Mapping[str, int]  # of the warehouse: rows
    job_tables: Mapping[str, int]  # of the job metadata: rows

    @property
    def is_empty(self) -> bool:
        """Nothing is left."""
        return not (self.versions or self.tables or self.job_tables)

    @property
    def objects(self) -> set[str]:
        """Objects whose batches or tables of stg and itg hold one."""
        of_files = {version.folder(1) for version in self.versions if version.layer in DATA_LAYERS}
        of_tables = {table.split(".")[1].split("__")[0] for table in self.tables if not table.startswith("dm.")}
        return of_files | of_tables

    def batches(self, object_name: str) -> set[str]:
        """Ids of the batches of an object whose files hold one, in any version."""
        return {
            version.folder(2)
            for version in self.versions
            if version.layer in DATA_LAYERS and version.folder(1) == object_name
        }

    @property
    def counts(self) -> dict[str, int]:
        """Layer → versions, table → rows."""
        layers = Counter(f"{version.layer}/" for version in self.versions)
        return {**dict(sorted(layers.items())), **self.tables, **self.job_tables}

    @property
    def lines(self) -> list[str]:
        """A line per layer and table, for people."""
        keys = {layer: len({v.key for v in self.versions if f"{v.layer}/" == layer}) for layer in self.counts}
        return [
            f"{place}: {count} versions of {keys[place]} objects" if place.endswith("/") else f"{place}: {count} rows"
            for place, count in self.counts.items()
        ]


def find(metadata: JobMetadata, context: Context, ids: Ids) -> Findings:
    """Reads all of it; nothing is changed."""
    return Findings(
        VersionedBucket(context.buckets.data, context.region).holding(ids.short),
        run_transaction(
            context.secrets.redshift, context.region, lambda cursor: erasure_tables.tables_with(cursor, ids)
        ),
        job_metadata_erasures.tables_with(metadata, ids.short),
    )
