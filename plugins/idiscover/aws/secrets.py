"""Credentials from Secrets Manager, read when a task runs, by the process that needs them."""

from __future__ import annotations

import json

from idiscover.aws.clients import aws_errors, client
from idiscover.errors import ConfigError

EXPECTED = '{"key": "value", …}'


def read_secret(name: str, region: str) -> dict[str, str]:
    """The JSON secret `name` as text values, without those that are null.

    Raises:
        ConfigError: it does not exist, may not be read, or is not a JSON object.
        RetriableError: Secrets Manager did not answer.
    """
    with aws_errors(f"secret {name}"):
        answer = client("secretsmanager", region).get_secret_value(SecretId=name)
    return _parsed(name, answer.get("SecretString", ""))


def _parsed(name: str, text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None  # and no cause below: the parser's error would quote the secret
    if not isinstance(document, dict):
        raise ConfigError("a secret is not a JSON object", where=f"secret {name}", expected=EXPECTED)
    return {key: str(value) for key, value in document.items() if value is not None}
