"""OAuth: the connected app's credentials, the four grants, and the access tokens given out."""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.salesforce.schema import ORG_ID, USER_IDS
from local.salesforce.store import Store

TOKEN_SECONDS = 2 * 3600
CREDENTIALS_FILE = "credentials.json"
_KEY_BITS = 2048
_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# What production and sandbox assertions name as their audience, whatever host they are sent to.
_WELL_KNOWN_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


@dataclass(frozen=True)
class Credentials:
    """Everything a client needs to log in; `private_key` is PEM, for RS256 assertions."""

    login_url: str
    client_id: str
    client_secret: str
    username: str
    password: str
    security_token: str
    refresh_token: str
    private_key: str

    def public_key_pem(self) -> bytes:
        """The certificate side of `private_key`."""
        key = serialization.load_pem_private_key(self.private_key.encode("ascii"), password=None)
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


class OAuthError(Exception):
    """A refused token request: `error` and its description, answered with status 400."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description


def ensure_credentials(state_dir: Path, login_url: str) -> Credentials:
    """The credentials that stand in the state directory, or new ones; the file is readable by its owner only."""
    path = state_dir / CREDENTIALS_FILE
    if path.exists():
        found = Credentials(**json.loads(path.read_text(encoding="utf-8")))
        if found.login_url == login_url:
            return found
        credentials = replace(found, login_url=login_url)
    else:
        credentials = _new_credentials(login_url)
    partial = path.with_suffix(".part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(asdict(credentials), out, indent=2)
    partial.replace(path)
    return credentials


def _new_credentials(login_url: str) -> Credentials:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Credentials(
        login_url=login_url,
        client_id="3MVG9" + secrets.token_urlsafe(60).replace("-", "a"),
        client_secret=secrets.token_hex(32).upper(),
        username="idiscover.integration@iconnect.example",
        password=secrets.token_urlsafe(18),
        security_token=secrets.token_urlsafe(18),
        refresh_token="5Aep" + secrets.token_urlsafe(48),
        private_key=pem.decode("ascii"),
    )


class TokenServer:
    """Checks token requests and access tokens."""

    def __init__(self, store: Store, credentials: Credentials, lifetime_seconds: float = TOKEN_SECONDS) -> None:
        self._store = store
        self._credentials = credentials
        self._lifetime_seconds = lifetime_seconds
        self._public_key = credentials.public_key_pem()
        self._grants: Mapping[str, Callable[[Mapping[str, str]], bool]] = {
            "client_credentials": self._client_credentials,
            _JWT_GRANT: self._jwt_bearer,
            "refresh_token": self._refresh_token,
            "password": self._password,
        }

    def grant(self, form: Mapping[str, str], instance_url: str) -> dict[str, str]:
        """The answer to a token request. Raises OAuthError for what is refused."""
        grant = self._grants.get(form.get("grant_type", ""))
        if grant is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        with_signature = grant(form)
        token = f"{ORG_ID[:15]}!{secrets.token_urlsafe(60)}"
        now = time.time()
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM tokens WHERE expires_at < ?", (now,))
            connection.execute("INSERT INTO tokens VALUES (?, ?)", (_digest(token), now + self._lifetime_seconds))
        identity = f"{self._credentials.login_url}/id/{ORG_ID}/{USER_IDS[0]}"
        answer = {
            "access_token": token,
            "scope": "api refresh_token",
            "instance_url": instance_url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": str(int(now * 1000)),
        }
        if with_signature:
            signed = hmac.new(
                self._credentials.client_secret.encode(), (identity + answer["issued_at"]).encode(), hashlib.sha256
            )
            answer["signature"] = base64.b64encode(signed.digest()).decode("ascii")
        return answer

    def is_valid(self, token: str) -> bool:
        """Whether an access token was given out and has not expired."""
        found = self._store.row("SELECT expires_at FROM tokens WHERE token = ?", (_digest(token),))
        return found is not None and float(found["expires_at"]) > time.time()

    def revoke(self, token: str) -> None:
        """End an access token before its time."""
        self._store.execute("DELETE FROM tokens WHERE token = ?", (_digest(token),))

    def _client_credentials(self, form: Mapping[str, str]) -> bool:
        self._check_client(form, secret_required=True)
        return True

    def _refresh_token(self, form: Mapping[str, str]) -> bool:
        self._check_client(form, secret_required="client_secret" in form)
        if not _same(form.get("refresh_token"), self._credentials.refresh_token):
            raise OAuthError("invalid_grant", "expired access/refresh token")
        return True

    def _password(self, form: Mapping[str, str]) -> bool:
        self._check_client(form, secret_required=True)
        # Callers from trusted addresses may leave the security token out, as on the platform.
        password = self._credentials.password
        fits = any(
            _same(form.get("password"), item) for item in (password, password + self._credentials.security_token)
        )
        if not fits or form.get("username") != self._credentials.username:
            raise OAuthError("invalid_grant", "authentication failure")
        return True

    def _jwt_bearer(self, form: Mapping[str, str]) -> bool:
        url = self._credentials.login_url
        audiences = [url, f"{url}/", f"{url}/services/oauth2/token", *_WELL_KNOWN_AUDIENCES]
        audiences += [item.replace("//localhost", "//127.0.0.1") for item in audiences[:3]]
        try:
            claims = jwt.decode(
                form.get("assertion", ""),
                self._public_key.decode("ascii"),
                algorithms=["RS256"],
                audience=audiences,
                options={"require": ["iss", "sub", "aud", "exp"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise OAuthError("invalid_grant", "expired authorization code") from error
        except jwt.InvalidAudienceError as error:
            raise OAuthError("invalid_grant", "audience is invalid") from error
        except jwt.InvalidTokenError as error:
            raise OAuthError("invalid_grant", "invalid assertion") from error
        if claims["iss"] != self._credentials.client_id:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if claims["sub"] != self._credentials.username:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return False

    def _check_client(self, form: Mapping[str, str], secret_required: bool) -> None:
        if form.get("client_id") != self._credentials.client_id:
            raise OAuthError("invalid_client_id", "client identifier invalid")
        if secret_required and not _same(form.get("client_secret"), self._credentials.client_secret):
            raise OAuthError("invalid_client", "invalid client credentials")


def _same(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
