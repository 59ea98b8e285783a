"""Credentials from Secrets Manager, read when a task runs, by the process that needs them."""

from __future__ import annotations

import json

import boto3
from botocore.exceptions import ClientError

from idiscover.aws.clients import CLIENT_CONFIG
from idiscover.errors import ConfigError, RetriableError

_ABSENT = frozenset({"ResourceNotFoundException", "AccessDeniedException"})


def read_secret(name: str, region: str) -> dict[str, str]:
    """The JSON secret `name` as text values.

    Raises:
        ConfigError: it does not exist, may not be read, or is not a JSON object.
        RetriableError: Secrets Manager did not answer.
    """
    client = boto3.client("secretsmanager", region_name=region, config=CLIENT_CONFIG)
    try:
        text = client.get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _ABSENT:
            raise ConfigError(
                "a secret cannot be read",
                where=f"secret {name}",
                got=code,
                expected="a JSON object that this role may read",
                remedy="create it in Secrets Manager, or grant secretsmanager:GetSecretValue on it",
            ) from error
        raise RetriableError("Secrets Manager did not answer", where=f"secret {name}", got=code) from error
    return _parsed(name, text)


def _parsed(name: str, text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        # from None, and without the text: the cause would quote the secret
        raise ConfigError(
            "a secret is not a JSON object", where=f"secret {name}", expected='{"key": "value", …}'
        ) from None
    return {key: str(value) for key, value in document.items()}
