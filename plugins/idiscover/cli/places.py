"""Folders, files and `s3://` addresses, as options of the command line name them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse

from idiscover.aws.s3 import Bucket, S3Reader
from idiscover.cli.joining import join
from idiscover.errors import ConfigError
from idiscover.metadata.entitlement import Entitlement, parse_entitlements
from idiscover.metadata.loading import FolderReader, Reader, parse_context
from idiscover.metadata.models import Context
from idiscover.metadata.spelling import nearest

DEFAULT_REGION = "us-east-1"


def is_s3(place: str) -> bool:
    """Whether `place` is an `s3://` address."""
    return place.startswith("s3://")


def split_s3(place: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of an `s3://` address."""
    parts = urlparse(place)
    return parts.netloc, parts.path.lstrip("/")


def read_context(place: str) -> Context:
    """The environment that a file or an S3 object describes; this process can reach it from then on.

    Raises:
        ConfigError: it is missing or wrong.
    """
    context = parse_context(read_context_text(place), place)
    join(context.environment)
    return context


def read_context_text(place: str) -> str:
    """The text of a file or an S3 object that describes an environment.

    Raises:
        ConfigError: it is missing, or is not UTF-8.
    """
    if is_s3(place):
        bucket, key = split_s3(place)
        return Bucket(bucket, DEFAULT_REGION).read_text(key)
    path = Path(place)
    if not path.is_file():
        raise ConfigError(
            "no such context",
            where=place,
            expected="a file such as context/local.yaml, or s3://bucket/key",
            did_you_mean=nearest(place, [str(other) for other in path.parent.glob("*.yaml")]),
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError("the file is not UTF-8", where=place, got=str(error), remedy="save it as UTF-8") from error


def read_entitlements(folder: Path, name: str) -> tuple[Entitlement, ...]:
    """Who may see which country, by a file of `folder`; messages call it `name`.

    Raises:
        ConfigError: it is not UTF-8, or a row is not as it has to be.
    """
    return parse_entitlements(FolderReader(folder).read(name)[0], name)


def metadata_reader(place: str, region: str) -> Reader:
    """Reads metadata from a folder or an `s3://` prefix."""
    if is_s3(place):
        bucket, prefix = split_s3(place.rstrip("/") + "/")
        return S3Reader(Bucket(bucket, region), prefix)
    return FolderReader(Path(place))
