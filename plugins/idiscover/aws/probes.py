"""What a doctor asks of AWS and of the warehouse: whether a thing is there and may be used. Nothing stays behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from botocore.exceptions import ClientError

from idiscover.aws.clients import aws_errors, client
from idiscover.aws.redshift import transaction
from idiscover.aws.s3 import Bucket, Credentials, assume_target_role
from idiscover.metadata.models import Context

PROBE_PREFIX = "status/doctor/"
_VERIFIED = "Success"
_NO_SUCH_RELEASE = frozenset({"InvalidRequestException", "ValidationException"})


def write_and_read(bucket: Bucket) -> bool:
    """Writes a key, reads it, lists it and deletes it again; whether the bucket gave back what was written.

    Raises:
        ConfigError: AWS refuses one of them.
    """
    key, text = f"{PROBE_PREFIX}{uuid.uuid4()}.txt", "written by idiscover doctor; may be deleted"
    bucket.write_text(key, text, "text/plain")
    try:
        return bucket.read_text(key) == text and key in bucket.list(PROBE_PREFIX)
    finally:
        bucket.delete([key])


def is_versioned(bucket: str, region: str) -> bool:
    """Whether the bucket keeps older versions."""
    with aws_errors(f"s3://{bucket}"):
        return client("s3", region).get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"


def target_credentials(secret: Mapping[str, str], context: Context) -> Credentials:
    """Those that write source/, tried by listing it.

    Raises:
        ConfigError: the role cannot be assumed, or may not list the bucket.
    """
    credentials = assume_target_role(secret, context.region)
    Bucket(context.buckets.data, context.region, credentials).list(f"source/{uuid.uuid4()}/")
    return credentials


def caller_and_clock(region: str) -> tuple[str, datetime]:
    """Who this process is for AWS, and AWS's time in the answer's Date header."""
    with aws_errors("STS, GetCallerIdentity"):
        answer = client("sts", region).get_caller_identity()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return str(answer["Arn"]), parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)


def living_clusters(region: str) -> int:
    """How many clusters live, as far as the first answer tells."""
    states = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
    with aws_errors("EMR, ListClusters"):
        return len(client("emr", region).list_clusters(ClusterStates=states).get("Clusters", []))


def has_release_label(label: str, region: str) -> bool:
    """Whether EMR knows the release."""
    with aws_errors(f"EMR, DescribeReleaseLabel {label}"):
        try:
            return client("emr", region).describe_release_label(ReleaseLabel=label).get("ReleaseLabel") == label
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_SUCH_RELEASE:
                return False
            raise


def is_verified(sender: str, region: str) -> bool:
    """Whether SES lets mails go out from this address: it, or its domain, is verified."""
    names = [sender, sender.rpartition("@")[2]]
    with aws_errors("SES, GetIdentityVerificationAttributes"):
        found = client("ses", region).get_identity_verification_attributes(Identities=names)["VerificationAttributes"]
    return any(item.get("VerificationStatus") == _VERIFIED for item in found.values())


@dataclass(frozen=True)
class WarehouseContents:
    """What the login sees; names are qualified. `schemas`: name → whether it may use it and create in it."""

    schemas: dict[str, bool]
    tables: frozenset[str]
    procedures: frozenset[str]


def warehouse_contents(context: Context, schemas: Iterable[str]) -> WarehouseContents:
    """Schemas, tables and procedures, from the catalog of the warehouse.

    Raises:
        ConfigError: the login is refused.
        RetriableError: the warehouse does not answer.
    """
    names = tuple(schemas)
    with transaction(context.secrets.redshift, context.region) as cursor:
        cursor.execute(
            "select nspname, has_schema_privilege(nspname, 'usage') and has_schema_privilege(nspname, 'create')"
            " from pg_namespace where nspname in %s",
            [names],
        )
        rights: dict[str, bool] = dict(cursor.fetchall())
        cursor.execute("select schemaname, tablename from pg_tables where schemaname in %s", [names])
        tables = frozenset(f"{schema}.{name}" for schema, name in cursor.fetchall())
        cursor.execute(
            "select nspname, proname from pg_proc inner join pg_namespace on pg_proc.pronamespace = pg_namespace.oid"
            " where nspname in %s",
            [names],
        )
        procedures = frozenset(f"{schema}.{name}" for schema, name in cursor.fetchall())
    return WarehouseContents(rights, tables, procedures)
