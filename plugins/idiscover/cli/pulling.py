"""Brings metadata and the context that were edited in the bucket since the last release into the repository."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from idiscover.aws.publishing import latest_metadata, read_metadata
from idiscover.aws.release_record import last_release
from idiscover.aws.s3 import Bucket
from idiscover.cli.context_delta import compare_context
from idiscover.cli.deploying import texts_here, texts_there
from idiscover.cli.metadata_delta import MetadataDelta, compare, differences
from idiscover.cli.places import is_s3, read_context, read_context_text
from idiscover.errors import ConfigError
from idiscover.lake.keys import context_key, metadata_key
from idiscover.metadata.loading import FolderReader, load_catalog, parse_context


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
    last = last_release(bucket)
    here, there = texts_here(root), texts_there(read_metadata(bucket, latest_metadata(bucket)))
    delta = compare(here, there, last, overwrite=False)
    file = root / context_key(context.environment) if is_s3(context_place) else Path(context_place)
    settings, settings_here, settings_there = compare_context(str(file), context, bucket, last, overwrite=False)
    if settings_there is None:  # one that was deleted there stays here: it says where the bucket is
        settings = MetadataDelta(result={})
    for path in delta.edits:
        yield differences(metadata_key(path), here.get(path), there.get(path))
    for key in settings.edits:
        yield differences(key, settings_here, settings_there)
    if not overwrite:
        _require_one_side(root, [*delta.conflicts, *settings.conflicts])
    texts = {_target(root / "metadata", path): there.get(path) for path in delta.edits}
    texts |= dict.fromkeys([file] if settings.edits else [], settings_there)
    told = [*delta.kept, *settings.kept]
    if not dry_run:
        for target, text in texts.items():
            _write(target, text)
    would = "would be " if dry_run else ""
    yield f"{len(told)} file{'' if len(told) == 1 else 's'} {would}brought here" + (
        f": {', '.join(told)}" if told else ""
    )
    if not dry_run:
        yield from _faults(root, file)


def _require_one_side(root: Path, conflicts: Collection[str]) -> None:
    if conflicts:
        raise ConfigError(
            "metadata were changed here and in the bucket",
            where=str(root),
            got=", ".join(sorted(conflicts)),
            expected="a change on one side",
            remedy="merge them by hand; or take the bucket's: --overwrite",
        )


def _faults(root: Path, context_file: Path) -> Iterator[str]:
    checks: list[Callable[[], object]] = [lambda: load_catalog(FolderReader(root / "metadata"))]
    if context_file.is_file():
        checks.append(lambda: parse_context(read_context_text(str(context_file)), str(context_file)))
    for check in checks:
        try:
            check()
        except ConfigError as error:
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
