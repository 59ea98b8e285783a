"""Checks of an environment's settings: forms that AWS prescribes, and keys that have to go together."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator

from idiscover.errors import ConfigError
from idiscover.metadata.environment import Context
from idiscover.metadata.models import Catalog, ObjectSpec, Protection
from idiscover.metadata.paths import object_path
from idiscover.metadata.schedules import EXPECTED as CRON
from idiscover.metadata.schedules import cron_fault

Problems = Iterator[ConfigError]

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/\S+")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")


def _region_is_one(context: Context) -> Problems:
    """The region has the form of AWS's regions."""
    if not _REGION.fullmatch(context.region):
        yield _fault("region", context.region, "a region of AWS, such as eu-central-1")


def _buckets_can_be_made(context: Context) -> Problems:
    """Buckets have names that S3 allows, and are two."""
    for key, name in (("data", context.buckets.data), ("dags", context.buckets.dags)):
        if not _BUCKET.fullmatch(name) or ".." in name:
            expected = "a bucket's name: 3 to 63 lower-case letters, digits, dots and hyphens"
            yield _fault(f"buckets.{key}", name, expected)
    if context.buckets.data == context.buckets.dags:
        yield _fault(
            "buckets.dags", context.buckets.dags, "another bucket than data: who may edit metadata may not edit DAGs"
        )


def _secrets_are_apart(context: Context) -> Problems:
    """No two logins lie in one secret."""
    seen: dict[str, str] = {}
    for key, name in context.secrets:
        if name is None:
            continue
        first = seen.setdefault(name, key)
        if first != key:
            yield _fault(f"secrets.{key}", name, f"another secret than that of {first}")


def _aws_names_have_their_form(context: Context) -> Problems:
    """Roles, subnets and prefixes have the form that EMR and Redshift ask for."""
    if not _ROLE_ARN.fullmatch(context.redshift.copy_role_arn):
        expected = "a role's ARN, such as arn:aws:iam::123456789012:role/idiscover-copy"
        yield _fault("redshift.copy_role_arn", context.redshift.copy_role_arn, expected)
    if context.emr.subnet_id is not None and not _SUBNET.fullmatch(context.emr.subnet_id):
        yield _fault("emr.subnet_id", context.emr.subnet_id, "a subnet's id, such as subnet-0123456789abcdef0")
    if context.emr.log_prefix.strip("/") != context.emr.log_prefix:
        yield _fault("emr.log_prefix", context.emr.log_prefix, "a prefix without slashes at its ends, such as emr-logs")


def _schedules_are_cron(context: Context) -> Problems:
    """Schedules are cron expressions that come to pass."""
    schedules = {f"airflow.{key}": getattr(context.airflow, key) for key in ("sweep_schedule", "publish_schedule")}
    for key, expression in {**schedules, "tableau.schedule": context.tableau.schedule}.items():
        fault = cron_fault(expression)
        if fault is not None:
            yield _fault(key, f"{expression} ({fault})", CRON, "the schedule is not a cron expression")


def _fault(key: str, got: str, expected: str, what: str = "a setting cannot be right") -> ConfigError:
    return ConfigError(what, key=key, got=got, expected=expected, remedy="correct it")


def hashes_have_a_key(context: Context, catalog: Catalog) -> Problems:
    """Where values are hashed, the context names the secret with the key."""
    yield from _without_key(context, catalog.objects.values())


def objects_without_key(context: Context, catalog: Catalog, edits: Collection[str]) -> list[ConfigError]:
    """Of the edited objects those whose values are to be hashed where the context names no key, at their own files."""
    specs = (spec for spec in catalog.objects.values() if object_path(spec.object) in edits)
    return [problem.at(object_path(spec.object)) for spec in specs for problem in _without_key(context, [spec])]


def _without_key(context: Context, objects: Iterable[ObjectSpec]) -> Problems:
    if context.secrets.protection is not None:
        return
    hashed = [
        f"{field.column} of {spec.object}"
        for spec in objects
        for field in spec.fields
        if field.protect is Protection.HASH
    ]
    if hashed:
        yield ConfigError(
            "values are to be hashed, and the context names no key",
            key="secrets",
            got=f"protect: hash for {', '.join(hashed)}",
            expected='protection: the name of a secret {"hmac_key": "<64 random hex digits>"}',
            remedy="make the secret and name it, or take protect: hash back",
        )


CONTEXT_CHECKS: tuple[Callable[[Context], Problems], ...] = (
    _region_is_one,
    _buckets_can_be_made,
    _secrets_are_apart,
    _aws_names_have_their_form,
    _schedules_are_cron,
)


def context_problems(context: Context, catalog: Catalog | None = None) -> list[ConfigError]:
    """All that is wrong with an environment's settings; each problem's `key` is a dotted path, and it has no place.

    Args:
        context: the settings.
        catalog: metadata that they have to serve; None where those are not known.
    """
    found = [problem for check in CONTEXT_CHECKS for problem in check(context)]
    return found if catalog is None else [*found, *hashes_have_a_key(context, catalog)]
