"""What AWS's answers to a doctor's questions mean, by botocore's own stub of the service."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber
from idiscover.aws import probes
from idiscover.errors import ConfigError, IdiscoverError

REGION = "us-east-1"


@pytest.fixture
def emr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """EMR, answering what a test says."""
    client = boto3.client("emr", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(probes, "client", lambda *_: client)
    with Stubber(client) as stub:
        yield stub


def test_a_release_that_emr_describes_is_known(emr: Stubber) -> None:
    emr.add_response("describe_release_label", {"ReleaseLabel": "emr-spark-8.0.0"}, {"ReleaseLabel": "emr-spark-8.0.0"})
    assert probes.has_release_label("emr-spark-8.0.0", REGION)


@pytest.mark.parametrize("code", ["InvalidRequestException", "ValidationException"])
def test_a_release_that_emr_calls_invalid_is_not(emr: Stubber, code: str) -> None:
    emr.add_client_error("describe_release_label", code, http_status_code=400)
    assert not probes.has_release_label("emr-0.0.0", REGION)


def test_a_refusal_says_nothing_of_the_release(emr: Stubber) -> None:
    emr.add_client_error("describe_release_label", "AccessDeniedException", http_status_code=400)
    with pytest.raises(ConfigError, match="AWS refuses"):
        probes.has_release_label("emr-spark-8.0.0", REGION)


class ForgetfulBucket:
    """A bucket that gives back what it likes, or nothing at all; notes what is left in it."""

    def __init__(self, gives: str | None) -> None:
        self._gives = gives
        self.keys: set[str] = set()

    def write_text(self, key: str, text: str, _type: str) -> None:
        self.keys.add(key)
        self._gives = text if self._gives == "what was written" else self._gives

    def read_text(self, key: str) -> str:
        if self._gives is None:
            raise ConfigError("AWS refuses", where=key)
        return self._gives

    def list(self, prefix: str) -> list[str]:
        return [key for key in self.keys if key.startswith(prefix)]

    def delete(self, keys: list[str]) -> None:
        self.keys -= set(keys)


@pytest.mark.parametrize(("gives", "good"), [("what was written", True), ("something else", False)])
def test_a_probe_tells_whether_it_came_back_and_leaves_nothing(gives: str, good: bool) -> None:
    bucket = ForgetfulBucket(gives)
    assert probes.write_and_read(bucket) is good  # type: ignore[arg-type]
    assert bucket.keys == set()


def test_a_probe_that_may_not_be_read_is_removed_all_the_same() -> None:
    bucket = ForgetfulBucket(None)
    with pytest.raises(IdiscoverError):
        probes.write_and_read(bucket)  # type: ignore[arg-type]
    assert bucket.keys == set()
