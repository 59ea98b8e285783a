"""Brings metadata that were edited in the bucket since the last release into the repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from idiscover.aws.publishing import latest_metadata, read_metadata
from idiscover.aws.s3 import Bucket
from idiscover.cli.deploying import last_release, texts_here, texts_there
from idiscover.cli.metadata_delta import compare, differences
from idiscover.cli.places import read_context
from idiscover.errors import ConfigError
from idiscover.lake.keys import metadata_key
from idiscover.metadata.loading import CatalogError, FolderReader, load_catalog


def pull(root: Path, context_place: str, dry_run: bool = False, overwrite: bool = False) -> Iterator[str]:
    """Yields each edit as a diff from the repository's text to the bucket's, then what was done.

    Args:
        root: the repository.
        context_place: a file, or s3://bucket/key.
        dry_run: show the edits, and write nothing.
        overwrite: take the bucket's text of files too that were changed here as well.

    Raises:
        ConfigError: a file was changed on both sides, or a key leads out of metadata/; nothing was written then.
    """
    context = read_context(context_place)
    bucket = Bucket(context.buckets.data, context.region)
    here, there = texts_here(root), texts_there(read_metadata(bucket, latest_metadata(bucket)))
    delta = compare(here, there, last_release(bucket), overwrite=False)
    for path in delta.edits:
        yield differences(metadata_key(path), here.get(path), there.get(path))
    if delta.conflicts and not overwrite:
        raise ConfigError(
            "metadata were changed here and in the bucket",
            where=str(root / "metadata"),
            got=", ".join(sorted(delta.conflicts)),
            expected="a change on one side",
            remedy="merge them by hand; or take the bucket's: --overwrite",
        )
    targets = {path: _target(root / "metadata", path) for path in delta.edits}
    if not dry_run:
        for path, target in targets.items():
            _write(target, there.get(path))
    would = "would be " if dry_run else ""
    yield f"{len(delta.edits)} file{'' if len(delta.edits) == 1 else 's'} {would}brought here" + (
        f": {', '.join(delta.kept)}" if delta.edits else ""
    )
    if not dry_run:
        yield from _faults(root)


def _faults(root: Path) -> Iterator[str]:
    try:
        load_catalog(FolderReader(root / "metadata"))
    except CatalogError as error:
        yield f"as they stand here now, {error}"


def _target(folder: Path, path: str) -> Path:
    """Where a file of the bucket belongs; a key may be anything, and whoever writes there is not to write here."""
    target = folder / path
    if not target.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            "a key in the bucket leads out of the folder of metadata",
            where=metadata_key(path),
            expected="metadata/<folder>/<file>",
            remedy="find out who put it there, and delete it",
        )
    return target


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(text.encode("utf-8", "surrogateescape"))
    partial.replace(path)
