"""Errors of AWS and of databases as the platform's: who has to do something, and what is not told."""

from __future__ import annotations

import psycopg2
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from idiscover.aws import redshift
from idiscover.aws.clients import aws_errors
from idiscover.aws.postgres import connect, is_retriable
from idiscover.errors import ConfigError, FatalError, IdiscoverError, RetriableError


def answer(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answer("NoSuchKey", 404), FatalError),
        (answer("404", 404), FatalError),
        (answer("NoSuchBucket", 404), ConfigError),
        (answer("AccessDenied", 403), ConfigError),
        (answer("403", 403), ConfigError),
        (answer("ResourceNotFoundException", 400), ConfigError),
        (answer("SlowDown", 503), RetriableError),
        (answer("ThrottlingException", 400), RetriableError),
        (answer("ExpiredToken", 400), RetriableError),
        (answer("SomethingNew", 500), RetriableError),
        (answer("EntityTooSmall", 400), FatalError),
        (NoCredentialsError(), ConfigError),
        (EndpointConnectionError(endpoint_url="https://s3"), RetriableError),
    ],
    ids=str,
)
def test_aws(error: Exception, expected: type[IdiscoverError]) -> None:
    with pytest.raises(expected, match="s3://bucket/key") as caught, aws_errors("s3://bucket/key"):
        raise error
    assert type(caught.value) is expected


def test_errors_of_others_pass() -> None:
    with pytest.raises(ZeroDivisionError), aws_errors("s3://bucket/key"):
        raise ZeroDivisionError


class Coded(psycopg2.DatabaseError):
    """psycopg2 sets pgcode itself; a test cannot."""

    def __init__(self, code: str | None, text: str = "") -> None:
        super().__init__(text)
        self.code = code

    @property
    def pgcode(self) -> str | None:  # type: ignore[override]
        return self.code


@pytest.mark.parametrize(
    ("error", "retriable"),
    [
        (Coded("40001"), True),
        (Coded("40P01"), True),
        (Coded("55P03"), True),
        (Coded("53200"), True),
        (Coded("57014"), True),
        (Coded("57P01"), True),
        (Coded("08006"), True),
        (Coded("XX000", "1023 DETAIL: Serializable isolation violation on table - 105"), True),
        (Coded("XX000", "1023 rows"), False),
        (Coded("42501"), False),
        (Coded("42P01"), False),
        (Coded("53100"), False),
        (Coded("P0001"), False),
        (psycopg2.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg2.InterfaceError("connection already closed"), True),
        (psycopg2.ProgrammingError("no results to fetch"), False),
    ],
    ids=repr,
)
def test_databases(error: psycopg2.Error, retriable: bool) -> None:
    assert is_retriable(error) is retriable


SECRET = {"host": "127.0.0.1", "port": "1", "dbname": "d", "username": "u", "password": "s3cr3t-pass"}


def test_a_database_that_is_away_is_tried_again_and_no_password_told() -> None:
    with pytest.raises(RetriableError, match="cannot be reached") as caught:
        connect(SECRET, "Redshift")
    assert SECRET["password"] not in str(caught.value) and caught.value.__cause__ is None


@pytest.mark.parametrize("change", [{"host": None}, {"password": None}, {"port": "five"}])
def test_a_secret_that_lacks_something_names_keys_and_no_values(change: dict[str, str | None]) -> None:
    secret = {key: value for key, value in {**SECRET, **change}.items() if value is not None}
    with pytest.raises(ConfigError, match="incomplete") as caught:
        connect(secret, "Redshift")
    assert SECRET["password"] not in str(caught.value)


def test_a_lost_race_is_tried_three_times_and_other_errors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(redshift.time, "sleep", waits.append)
    for error, tries in ((RetriableError("lost"), 3), (FatalError("wrong"), 1)):
        begun: list[IdiscoverError] = []

        def fail(*_: object, error: IdiscoverError = error, begun: list[IdiscoverError] = begun, **__: object) -> None:
            begun.append(error)
            raise error

        monkeypatch.setattr(redshift, "transaction", fail)
        with pytest.raises(type(error)):
            redshift.run_transaction("secret", "region", lambda cursor: None)
        assert len(begun) == tries
    first = redshift._FIRST_WAIT_SECONDS
    assert len(waits) == 2
    assert 0.5 * first <= waits[0] <= 1.5 * first and first <= waits[1] <= 3 * first, "twice as long, give or take half"
