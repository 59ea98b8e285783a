"""From the metadata in the bucket to the DAG files, edit by edit: what `publish_dags` and `idiscover publish` do.

A faulty edit keeps the DAGs that were made from its file as they are; all other edits are published. Files are read by
the versions of one listing, and what is to be written follows from them alone: to publish again is always right.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlparse

from idiscover.aws.dag_files import BucketTarget, CompileReport, generated_files, synchronise
from idiscover.aws.mailing import send_or_warn
from idiscover.aws.publish_state import PublishState, RefusedVersion, read_state, write_state
from idiscover.aws.release_record import recorded_statements
from idiscover.aws.s3 import Bucket, LatestVersion
from idiscover.aws.taking_up import TakenUp, take_up_new_fields
from idiscover.errors import ConfigError, FatalError
from idiscover.lake.keys import PUBLISH_STATE_KEY, RELEASE_KEY, context_key, metadata_key
from idiscover.metadata.context_checks import hashes_have_a_key, objects_without_key
from idiscover.metadata.last_good import ContentReader, EditCheck, MetadataFile, RefusedEdit, SoundMetadata, soundest
from idiscover.metadata.loading import load_catalog, parse_context
from idiscover.metadata.models import Catalog, Context
from idiscover.metadata.paths import is_metadata, owner_of
from idiscover.notify.edits import mended_mail, refused_mail, unreadable_state_mail
from idiscover.plan.build import build_plans
from idiscover.plan.model import Plan
from idiscover.plan.notices import with_notices
from idiscover.plan.tableau import tableau_pools
from idiscover.warehouse.unreleased import unreleased

log = logging.getLogger(__name__)

EnsurePools = Callable[[Mapping[str, int]], int]
METADATA_PREFIX = metadata_key("")
MOST_OF_A_DEPLOY = timedelta(minutes=15)  # from its first upload to its end


@dataclass(frozen=True)
class Inputs:
    """What is published: the environment, the last release, and every metadata file with its version.

    `current` has deleted files too. `sql` is the checksum of the release's SQL, by which an edit may be refused.
    """

    context: Context
    context_version: str
    code_sha: str
    sql: str
    current: Mapping[str, MetadataFile]

    @property
    def fingerprint(self) -> str:
        """Of all versions; hex. The same fingerprint gives the same DAG files."""
        versions = {path: file.version for path, file in self.current.items()}
        return fingerprint_of(self.context_version, self.code_sha, self.sql, versions)


@dataclass
class PublishReport:
    """What became of the edits since the last publication.

    `edits`: path → file before and file now, of all that differ; `refused`: those that are not in force, `news` and
    `mended` the paths of those that were not refused before, and that no longer are; `new_fields`: what became of
    fields of the org that waited to be taken up.
    """

    files: CompileReport
    is_unchanged: bool = False
    edits: dict[str, tuple[MetadataFile | None, MetadataFile]] = field(default_factory=dict)
    refused: tuple[RefusedEdit, ...] = ()
    news: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    pools: Mapping[str, int] = field(default_factory=dict)
    new_fields: Sequence[TakenUp] = ()
    warnings: list[str] = field(default_factory=list)


def publish(
    context_uri: str,
    region: str,
    ensure_pools: Callable[[Context], EnsurePools],
    *,
    even_if_unchanged: bool = False,
    allow_deletions: bool = False,
    dry_run: bool = False,
) -> PublishReport:
    """Publishes the edits in the bucket.

    Args:
        context_uri: `s3://…` of the environment's settings.
        region: where that bucket lies.
        ensure_pools: makes the pools of an environment that a DAG needs; asked before the DAG's file is written.
        even_if_unchanged: compare every DAG file, though no version has changed.
        allow_deletions: take DAGs away, however many.
        dry_run: say what would be done, and do nothing.

    Raises:
        ConfigError: the context is wrong, nothing was ever deployed, or the last good metadata are sound no more.
    """
    place = urlparse(context_uri)
    text, context_version = Bucket(place.netloc, region).read_text_version(place.path.lstrip("/"))
    context = parse_context(text, context_uri)
    bucket, target = Bucket(context.buckets.data, region), BucketTarget(Bucket(context.buckets.dags, region))
    last, state = _last_release(bucket), read_state(bucket, target)
    if not even_if_unchanged and _is_under_way(bucket, last):
        log.info("a deploy is under way: what it has not uploaded yet would be missed")
        return PublishReport(CompileReport(out=target.place), is_unchanged=True)
    taken = take_up_new_fields(context, lambda: catalog_in_force(context), last, dry_run=dry_run)
    code_sha, sql = str(last["code_sha"]), str(last.get("recorded_sql", ""))
    latest = latest_metadata(bucket)
    now = fingerprint_of(context_version, code_sha, sql, {path: item.version for path, item in latest.items()})
    if now == state.fingerprint and not even_if_unchanged and not allow_deletions:
        if state.failure and not dry_run:
            write_state(bucket, state.model_copy(update={"failure": None}))
        return PublishReport(CompileReport(out=target.place), is_unchanged=True, new_fields=taken)
    inputs = Inputs(context, context_version, code_sha, sql, read_metadata(bucket, latest))
    publisher = Publisher(inputs, state, bucket, target, dry_run=dry_run)
    report = publisher.publish(ensure_pools(context), allow_deletions=allow_deletions)
    report.new_fields = taken
    report.warnings += [text for item in taken for text in item.warnings]
    publisher.tell(report)
    publisher.record(report)
    return report


class Publisher:
    """One publication, step by step. Where it is `before_release`, no edit is refused because it needs one."""

    def __init__(
        self,
        inputs: Inputs,
        state: PublishState,
        bucket: Bucket,
        target: BucketTarget,
        *,
        dry_run: bool = False,
        before_release: bool = False,
    ) -> None:
        self._inputs, self._state, self._bucket, self._target = inputs, state, bucket, target
        self._dry_run = dry_run
        self._before_release = before_release
        self._sound: SoundMetadata | None = None
        self._plans: list[Plan] = []

    def resolve(self, *, allow_deletions: bool) -> SoundMetadata:
        """What is to be in force, and the edits that are not.

        Raises:
            ConfigError: nothing would be left.
        """
        good = self._good = self._last_good()
        sound = soundest(self._inputs.current, good, self._unfit)
        if not allow_deletions:
            sound = self._without_many_deletions(sound, good)
        if not sound.catalog.objects and not sound.catalog.tables:
            where, expected = self._bucket.uri(METADATA_PREFIX), "at least one sound table"
            raise ConfigError("no metadata", where=where, expected=expected, remedy="idiscover deploy")
        return sound

    def publish(self, ensure_pools: EnsurePools, *, allow_deletions: bool) -> PublishReport:
        """Pools, then plans, then stubs, deletions last.

        Raises:
            ConfigError: as `resolve`, or the context lacks a setting that the metadata in force need.
        """
        sound = self._sound = self.resolve(allow_deletions=allow_deletions)
        for problem in hashes_have_a_key(self._inputs.context, sound.catalog):  # of edits it was refused
            raise problem.at(self._bucket.uri(context_key(self._inputs.context.environment)))
        self._plans = with_notices(self._build(sound.catalog), sound.refused)
        pools = {name: slots for plan in self._plans for name, slots in plan.header.pools.items()}
        pools |= tableau_pools(sound.catalog, self._inputs.context)
        known = {path: item.version for path, item in self._state.refused.items()}
        report = PublishReport(
            files=CompileReport(out=self._target.place, plans=self._plans),
            edits=_edits(self._inputs.current, self._good),
            refused=sound.refused,
            news=tuple(edit.path for edit in sound.refused if known.get(edit.path) != edit.edit.version),
            mended=tuple(sorted(known.keys() - {edit.path for edit in sound.refused})),
            pools=pools,
        )
        if not self._dry_run:
            ensure_pools(pools)
        files = generated_files(self._plans, sound.catalog, self._inputs.context)
        synchronise(files, self._target, report.files, self._dry_run)
        return report

    def _unfit(self, catalog: Catalog, edits: Collection[str]) -> list[ConfigError]:
        """Edits that lack a setting of the context, or need other tables or procedures than the warehouse has."""
        found = objects_without_key(self._inputs.context, catalog, edits)
        return (
            found if self._before_release or self._unreleased is None else [*found, *self._unreleased(catalog, edits)]
        )

    @cached_property
    def _unreleased(self) -> EditCheck | None:
        in_force: Catalog | None = None
        if self._good:
            try:
                in_force = load_catalog(ContentReader(self._good))
            except ConfigError as error:  # by the rules of a newer version of the code
                log.warning("edits are compared with the last release alone: %s", error)
        return unreleased(recorded_statements(self._bucket), in_force, self._inputs.context.environment)

    def tell(self, report: PublishReport) -> None:
        """One mail per edit that is newly refused, and per one that is mended; one if the state was unreadable."""
        if self._dry_run or self._sound is None:
            return
        context, catalog = self._inputs.context, self._sound.catalog
        if self._state.unreadable is not None:
            where = self._bucket.uri(PUBLISH_STATE_KEY)
            report.warnings.append(f"{where} could not be read, and was made anew from the plans")
            mail = unreadable_state_mail(where, self._state.unreadable, context.environment)
            report.warnings += filter(None, [send_or_warn(mail, context, [])])
        for edit in (edit for edit in report.refused if edit.path in report.news):
            owner = owner_of(edit.path, catalog)
            dags = [plan.header.dag_id for plan in self._plans if edit.path in plan.header.metadata_versions]
            mail = refused_mail(edit, dags, context.environment, owner.name if owner else "unknown")
            report.warnings += filter(None, [send_or_warn(mail, context, [owner.email] if owner else [])])
        for path in report.mended:
            owner, file = owner_of(path, catalog), self._sound.files.get(path)
            mail = mended_mail(
                path, file.version if file else None, context.environment, owner.name if owner else "unknown"
            )
            report.warnings += filter(None, [send_or_warn(mail, context, [owner.email] if owner else [])])

    def record(self, report: PublishReport) -> None:
        """Writes down what is in force, so that the next run has nothing to do."""
        if self._dry_run or self._sound is None:
            return
        now, known = datetime.now(UTC), self._state.refused
        refused = {
            edit.path: known[edit.path]
            if edit.path in known and edit.path not in report.news
            else RefusedVersion(version=edit.edit.version, since_utc=now)
            for edit in report.refused
        }
        files = {path: file.version for path, file in sorted(self._sound.files.items())}
        state = PublishState(fingerprint=self._inputs.fingerprint, files=files, refused=refused)
        # with what stands now: a deploy that has ended meanwhile has left its own, and files that this run wrote over
        if state != read_state(self._bucket, self._target):
            write_state(self._bucket, state)

    @property
    def has_to_tell(self) -> bool:
        """Whether people are to be told of more than this publication: what was refused before, a state made anew."""
        return bool(self._state.refused) or self._state.unreadable is not None

    def _build(self, catalog: Catalog) -> list[Plan]:
        return build_plans(catalog, self._inputs.context, self._inputs.code_sha)

    def _last_good(self) -> dict[str, MetadataFile]:
        """Path → file that is in force. Those that are the newest version are not read again."""
        current = self._inputs.current
        return {
            path: current[path]
            if path in current and current[path].version == version
            else _read_version(self._bucket, path, version)
            for path, version in self._state.files.items()
        }

    def _without_many_deletions(self, sound: SoundMetadata, good: Mapping[str, MetadataFile]) -> SoundMetadata:
        """Puts all deleted files back where too many DAGs would go with them.

        Raises:
            ConfigError: too many DAGs would go, and not because files were deleted.
        """
        names = self._target.list()
        standing = {name.removesuffix(".py") for name in names if name.endswith(".py") and "__" in name}
        refusal = self._refusal(sound.catalog, standing)
        if refusal is None:
            return sound
        deleted = {path: file for path, file in good.items() if path not in sound.files}
        kept = soundest({**self._inputs.current, **deleted}, good, self._unfit)
        if self._refusal(kept.catalog, standing) is not None:
            raise refusal
        again = {edit.path for edit in kept.refused}
        edits = [
            RefusedEdit(path, self._inputs.current.get(path, MetadataFile(None, "")), file, (_about(refusal, path),))
            for path, file in deleted.items()
            if path not in again and path in kept.files
        ]
        refused = sorted([*kept.refused, *edits], key=lambda edit: edit.path)
        return SoundMetadata(kept.catalog, kept.files, tuple(refused))

    def _refusal(self, catalog: Catalog, standing: Collection[str]) -> ConfigError | None:
        most = self._inputs.context.airflow.most_deleted_percent
        gone = set(standing) - {plan.header.dag_id for plan in self._build(catalog)}
        if not gone or (len(gone) < len(standing) and len(gone) * 100 <= most * len(standing)):
            return None
        return ConfigError(
            "too many DAGs would be deleted at once",
            where=self._bucket.uri(METADATA_PREFIX),
            got=f"{len(gone)} of {len(standing)}: {', '.join(sorted(gone)[:5])}{', …' if len(gone) > 5 else ''}",
            expected=f"at most {most} %, and never all (most_deleted_percent of the context)",
            remedy="put the files back; or, if they are to go: idiscover publish --allow-deletions",
        )


def catalog_in_force(context: Context) -> Catalog:
    """The metadata in the bucket as they are published, or will be: without the edits that are refused.

    Raises:
        ConfigError: there are none, or the last good ones are sound no more.
    """
    bucket = Bucket(context.buckets.data, context.region)
    target = BucketTarget(Bucket(context.buckets.dags, context.region))
    inputs = Inputs(context, "", "", "", read_metadata(bucket, latest_metadata(bucket)))
    return Publisher(inputs, read_state(bucket, target), bucket, target).resolve(allow_deletions=False).catalog


def fingerprint_of(context_version: str, code_sha: str, sql: str, versions: Mapping[str, str]) -> str:
    """Of all that DAG files are made from; hex."""
    text = json.dumps([context_version, code_sha, sql, sorted(versions.items())])
    return hashlib.sha256(text.encode()).hexdigest()


def latest_metadata(bucket: Bucket) -> dict[str, LatestVersion]:
    """Path → newest version of each metadata file, deleted ones included; what an editor leaves beside them is none."""
    found = {latest.key.removeprefix(METADATA_PREFIX): latest for latest in bucket.list_latest(METADATA_PREFIX)}
    return {path: latest for path, latest in found.items() if is_metadata(path)}


def read_metadata(bucket: Bucket, latest: Mapping[str, LatestVersion]) -> dict[str, MetadataFile]:
    """The contents of those versions."""
    return {path: _read_latest(bucket, item) for path, item in latest.items()}


def is_news(context: Context, message: str) -> bool:
    """Whether nobody has been told yet of a publication that failed with this message; from now on, somebody has."""
    bucket = Bucket(context.buckets.data, context.region)
    state = read_state(bucket, BucketTarget(Bucket(context.buckets.dags, context.region)))
    failure = hashlib.sha256(message.encode()).hexdigest()
    if state.failure == failure:
        return False
    write_state(bucket, state.model_copy(update={"failure": failure}))
    return True


def _read_latest(bucket: Bucket, item: LatestVersion) -> MetadataFile:
    if item.is_deleted:
        return MetadataFile(None, item.version, item.modified_at_utc)
    content, _ = bucket.read_bytes_version(item.key, item.version_id)
    return MetadataFile(content, item.version, item.modified_at_utc)


def _read_version(bucket: Bucket, path: str, version: str) -> MetadataFile:
    key = metadata_key(path)
    try:
        return MetadataFile(bucket.read_bytes_version(key, version)[0], version)
    except FatalError as error:
        raise ConfigError(
            "the last good version of a metadata file is gone",
            where=bucket.uri(key),
            got=f"version {version}: {error.got}",
            expected="a bucket that keeps the versions of metadata/",
            remedy="mend or put back the newest version of the file, then: idiscover deploy --overwrite",
        ) from error


def _last_release(bucket: Bucket) -> dict[str, Any]:
    """The record of the last release, or of the one that is under way."""
    found = dict(json.loads(bucket.read_text(RELEASE_KEY))) if bucket.exists(RELEASE_KEY) else {}
    if "code_sha" not in found:
        raise ConfigError(
            "nothing was deployed here yet",
            where=bucket.uri(RELEASE_KEY),
            expected="the record of a release",
            remedy="idiscover deploy",
        )
    return found


def _is_under_way(bucket: Bucket, release: Mapping[str, Any]) -> bool:
    """Whether a deploy is uploading; one that was killed no longer counts after a while."""
    if "uploading" not in release:
        return False
    begun = max(latest.modified_at_utc for latest in bucket.list_latest(RELEASE_KEY))
    return datetime.now(UTC) - begun < MOST_OF_A_DEPLOY


def _about(refusal: ConfigError, path: str) -> ConfigError:
    return ConfigError(refusal.what, where=path, got=refusal.got, expected=refusal.expected, remedy=refusal.remedy)


def _edits(
    current: Mapping[str, MetadataFile], good: Mapping[str, MetadataFile]
) -> dict[str, tuple[MetadataFile | None, MetadataFile]]:
    gone = {path: MetadataFile(None, "") for path in good if path not in current}
    return {
        path: (good.get(path), file)
        for path, file in sorted({**current, **gone}.items())
        if file.content != (good[path].content if path in good else None)
    }
