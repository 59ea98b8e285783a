"""How every boto3 client of ours behaves, and what its errors mean. Addresses come from AWS_ENDPOINT_URL alone.

Imported on EMR too: boto3 and the platform's errors, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
)

from idiscover.errors import ConfigError, FatalError, RetriableError

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=10,
    read_timeout=60,
    s3={"addressing_style": "path"},
)

MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
_REFUSED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "DecryptionFailure",
        "InvalidAccessKeyId",
        "NoSuchBucket",
        "ResourceNotFoundException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_LATER = "run it again later; health.aws.amazon.com tells of outages"
_PASSING = frozenset(
    {
        "ExpiredToken",  # the next try assumes the role anew
        "ExpiredTokenException",
        "InternalError",
        "InternalServiceError",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def client(service: str, region: str) -> Any:
    """The process's client of a service, with the credentials of its environment. Making one takes long."""
    return _made(service, region, os.environ.get("AWS_ENDPOINT_URL"))


@lru_cache(maxsize=16)
def _made(service: str, region: str, endpoint: str | None) -> Any:
    """boto3 takes the endpoint from the environment itself; one that is given is the whole address, without prefixes
    such as MWAA's `env.`.
    """
    config = CLIENT_CONFIG if endpoint is None else CLIENT_CONFIG.merge(Config(inject_host_prefix=False))
    return boto3.client(service, region_name=region, config=config)


@contextmanager
def aws_errors(where: str) -> Iterator[None]:
    """botocore's errors as the platform's, after botocore's own retries.

    Args:
        where: what is being asked, such as `s3://bucket/key`.

    Raises:
        ConfigError: AWS refuses: no such bucket or secret, no right, no credentials; or a name or id cannot be one.
        FatalError: there is no such object, or AWS does not understand.
        RetriableError: AWS does not answer, or asks to wait.
    """
    try:
        yield
    except ClientError as error:
        raise _from_answer(error, where) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        remedy = "give this process credentials: a role, AWS_PROFILE, or AWS_ACCESS_KEY_ID; on a laptop: idiscover up"
        raise ConfigError("AWS cannot be asked", where=where, got=str(error), remedy=remedy) from error
    except (NoRegionError, ParamValidationError) as error:
        raise ConfigError("AWS cannot be asked", where=where, got=str(error)) from error
    except (BotoCoreError, Boto3Error) as error:
        raise RetriableError("AWS does not answer", where=where, got=str(error), remedy=_LATER) from error


def _from_answer(error: ClientError, where: str) -> ConfigError | FatalError | RetriableError:
    code = str(error.response["Error"]["Code"])
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in MISSING:
        return FatalError("an object is missing", where=where, got=code)
    if code in _REFUSED:
        remedy = "create it, or grant this role the right to use it"
        return ConfigError("AWS refuses", where=where, got=code, remedy=remedy)
    if code in _PASSING or status >= 500 or status == 429:
        got = f"{code}, status {status}"
        return RetriableError("AWS is busy", where=where, got=got, remedy=_LATER)
    return FatalError("AWS does not accept the request", where=where, got=str(error))
