"""COPY of batches from S3 into stg, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from idiscover.warehouse.types import quoted


def copy_sql(table: str, columns: Sequence[str], manifest_uri: str, role_arn: str, region: str) -> str:
    """One COPY of all files that a COPY manifest names.

    The files are csv as `emr_jobs/extract.py` writes them: gzip, one header line each, every value quoted, null empty
    and without quotes. Salesforce has no empty text, so EMPTYASNULL makes null of both ways to write nothing. COPY
    cuts decimals off unless ROUNDEC; MAXERROR stays 0, so that one bad value loads nothing.

    Args:
        table: qualified name of the target.
        columns: target columns in the order of the files.
        manifest_uri: `s3://…` of the manifest that `copy_manifest` made.
        role_arn: role that Redshift reads the bucket with.
        region: where the bucket lies.
    """
    schema, name = table.split(".")
    return "\n".join(
        [
            f"copy {quoted(schema)}.{quoted(name)} ({', '.join(quoted(column) for column in columns)})",
            f"from {_literal(manifest_uri)}",
            f"iam_role {_literal(role_arn)}",
            f"region {_literal(region)}",
            "manifest",
            "format as csv",
            "gzip",
            "ignoreheader 1",
            "dateformat 'auto'",
            "timeformat 'auto'",
            "emptyasnull",
            "null as ''",  # by default the text \\N would be null; files leave a null empty
            "roundec",
            "compupdate off",
            "statupdate on",
        ]
    )


def copy_manifest(urls_and_bytes: Iterable[tuple[str, int]]) -> dict[str, list[dict[str, object]]]:
    """The document that COPY reads its files from, given pairs of `s3://…` and stored bytes, sorted by address.

    Every file is mandatory: COPY's own default is to go on without a missing one.
    """
    return {
        "entries": [
            {"url": url, "mandatory": True, "meta": {"content_length": size}} for url, size in sorted(urls_and_bytes)
        ]
    }


def _literal(text: str) -> str:
    """`text` as an SQL literal: COPY takes no bound parameters."""
    if "\\" in text or "\x00" in text:
        raise ValueError(f"a COPY option holds a character that no address has: {text!r}")
    return "'" + text.replace("'", "''") + "'"
