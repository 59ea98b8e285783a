"""OAuth 2.0 logins at the secret's own login URL, by the grant type it names."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import jwt
import requests

from idiscover.errors import ConfigError
from idiscover.salesforce import faults

_TOKEN_PATH = "/services/oauth2/token"
_JWT_SECONDS = 180  # Salesforce accepts at most five minutes


@dataclass(frozen=True)
class Token:
    """An access token and where it is good for. Its text never shows in a repr."""

    access_token: str = field(repr=False)
    instance_url: str


def log_in(secret: Mapping[str, str], http: requests.Session) -> Token:
    """One login.

    Args:
        secret: `login_url`, `grant_type` (jwt, client_credentials, refresh_token or password) and
            what that grant needs.
        http: carries timeouts and trusted certificates.

    Raises:
        ConfigError: the secret is incomplete, or Salesforce refuses it.
        RetriableError: no answer, or one that says to come back later.
    """
    login_url = _login_url(secret)
    form = _form(secret, login_url)
    try:
        answer = http.post(f"{login_url}{_TOKEN_PATH}", data=form, headers={"Accept": "application/json"})
    except requests.RequestException as error:
        raise faults.connection_fault(error, "login", login_url) from error
    if answer.status_code != 200:
        raise faults.login_fault(faults.parse_answer(answer.status_code, answer.content), login_url)
    return _token(answer, login_url)


def check_secret(secret: Mapping[str, str]) -> None:
    """Whether the secret has all that its grant needs; nobody is asked.

    Raises:
        ConfigError: something is missing, or cannot be what it should be.
    """
    _form(secret, _login_url(secret))


def _login_url(secret: Mapping[str, str]) -> str:
    login_url = _need(secret, "login_url").rstrip("/")
    if urlsplit(login_url).scheme != "https":
        raise ConfigError("The login URL is not https", key="login_url", got=login_url, expected="https://…")
    return login_url


def _token(answer: requests.Response, login_url: str) -> Token:
    try:
        content = answer.json()
        token = Token(str(content["access_token"]), str(content["instance_url"]))
    except (ValueError, KeyError, TypeError):
        # The cause is not chained: its text may repeat the body, which may hold a token.
        raise ConfigError(
            "The login's answer holds no token", where=login_url, remedy="check that login_url is Salesforce's"
        ) from None
    if urlsplit(token.instance_url).scheme != "https":
        raise ConfigError("The org's address is not https", where=login_url, got=token.instance_url)
    return token


def _form(secret: Mapping[str, str], login_url: str) -> dict[str, str]:
    grant = _need(secret, "grant_type")
    make = _GRANTS.get(grant)
    if make is None:
        raise ConfigError(
            "The Salesforce secret names an unknown grant type",
            key="grant_type",
            got=grant,
            expected=", ".join(sorted(_GRANTS)),
        )
    return make(secret, login_url)


def _jwt_form(secret: Mapping[str, str], login_url: str) -> dict[str, str]:
    claims = {
        "iss": _need(secret, "client_id"),
        "sub": _need(secret, "username"),
        "aud": secret.get("audience") or login_url,
        "exp": int(time.time()) + _JWT_SECONDS,
    }
    # A key pasted into a JSON editor often keeps its line ends as backslash and n.
    key = _need(secret, "private_key").replace("\\n", "\n")
    try:
        assertion = jwt.encode(claims, key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise ConfigError(
            "The private key of the Salesforce secret cannot be used",
            key="private_key",
            expected="an RSA key in PEM form, without a passphrase",
        ) from None
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}


def _client_credentials_form(secret: Mapping[str, str], _login_url: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", **_client(secret)}


def _refresh_token_form(secret: Mapping[str, str], _login_url: str) -> dict[str, str]:
    form = {
        "grant_type": "refresh_token",
        "client_id": _need(secret, "client_id"),
        "refresh_token": _need(secret, "refresh_token"),
    }
    if secret.get("client_secret"):  # a public client has none
        form["client_secret"] = secret["client_secret"]
    return form


def _password_form(secret: Mapping[str, str], _login_url: str) -> dict[str, str]:
    return {
        "grant_type": "password",
        **_client(secret),
        "username": _need(secret, "username"),
        "password": _need(secret, "password") + secret.get("security_token", ""),
    }


def _client(secret: Mapping[str, str]) -> dict[str, str]:
    return {"client_id": _need(secret, "client_id"), "client_secret": _need(secret, "client_secret")}


def _need(secret: Mapping[str, str], key: str) -> str:
    value = secret.get(key)
    if not value:
        raise ConfigError(
            "The Salesforce secret is incomplete",
            key=key,
            got="nothing",
            remedy=f"write {key} into the secret in Secrets Manager",
        )
    return value


_GRANTS: dict[str, Callable[[Mapping[str, str], str], dict[str, str]]] = {
    "jwt": _jwt_form,
    "client_credentials": _client_credentials_form,
    "refresh_token": _refresh_token_form,
    "password": _password_form,
}
