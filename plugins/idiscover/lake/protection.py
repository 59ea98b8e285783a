"""What is written instead of personal values: keyed hashes that can be joined and counted, or a mask.

Without the key nobody can tell whose hash it is, nor try all e-mail addresses there are. The same value has the same
hash in every object and column, as long as the key is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from idiscover.errors import ConfigError
from idiscover.lake.keyed_hashes import hashes_under
from idiscover.metadata.models import Protection

SECRET_KEY = "hmac_key"  # in the secret `secrets.protection`
SHORTEST_KEY = 32  # characters; random hex digits have 4 bits each
HASH_CHARACTERS = 64
MASK = "***"

Protect = Callable[[str], str]


def require_key(secret: Mapping[str, str]) -> str:
    """The key of a secret.

    Raises:
        ConfigError: it has none, or one that can be guessed.
    """
    key = secret.get(SECRET_KEY, "")
    if len(key) < SHORTEST_KEY:
        raise ConfigError(
            "the secret of protected values holds no key",
            where="the secret that secrets.protection names",
            key=SECRET_KEY,
            got=f"{len(key)} characters",
            expected=f"at least {SHORTEST_KEY} random characters",
            remedy="write one into the secret, and never change it: equal values would have other hashes from then on",
        )
    return key


def without_secret() -> ConfigError:
    """The error where a field is to be hashed and nobody says with which key."""
    return ConfigError(
        "a field is to be hashed, and the context names no key",
        where="the environment's context",
        key="secrets.protection",
        expected=f'the name of a secret {{"{SECRET_KEY}": "<64 random hex digits>"}}',
        remedy="make the secret, and name it in the context; or take `protect: hash` back",
    )


def hashing(key: str) -> Protect:
    """HMAC-SHA256 of a value's UTF-8, in hex; an empty value (null) stays empty."""
    keyed = hashes_under(key.encode())

    def hashed(value: str) -> str:
        return keyed(value.encode()) if value else value

    return hashed


def masked(value: str) -> str:
    """That there was a value, and nothing of it."""
    return MASK if value else value


def protector(protection: Protection, key: Callable[[], str]) -> Protect:
    """What protects the values of a field.

    Args:
        protection: how.
        key: reads the key of hashes; asked where it is needed only.
    """
    return hashing(key()) if protection is Protection.HASH else masked
