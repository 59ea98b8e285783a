"""The server as a real process: what survives, what it serves to people, what it refuses."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import botocore.exceptions
import pytest
from aws_stand import Stand, add_step, make_cluster, wait_cluster, wait_for

BIG = bytes(range(256)) * 4096


def _fill(stand: Stand) -> dict[str, Any]:
    """Something in every service; returns the ids needed to look at it again."""
    s3 = stand.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    for body in (BIG, b"second"):
        s3.put_object(
            Bucket="lake",
            Key="source/é x.csv",
            Body=body,
            Metadata={"run_id": "7"},
            ContentType="text/csv",
        )
    s3.delete_object(Bucket="lake", Key="source/é x.csv")
    upload = s3.create_multipart_upload(Bucket="lake", Key="parts")["UploadId"]
    s3.upload_part(Bucket="lake", Key="parts", UploadId=upload, PartNumber=1, Body=BIG)
    stand.client("secretsmanager").create_secret(Name="idiscover/redshift", SecretString='{"password":"p"}')
    ses = stand.client("ses")
    ses.verify_email_identity(EmailAddress="data@example.com")
    logs = stand.client("logs")
    logs.create_log_group(logGroupName="task")
    logs.create_log_stream(logGroupName="task", logStreamName="a/b")
    now = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName="task",
        logStreamName="a/b",
        logEvents=[{"timestamp": now, "message": "hé"}],
    )
    role = "arn:aws:iam::123456789012:role/s3-target"
    keys = stand.client("sts").assume_role(RoleArn=role, RoleSessionName="extract")["Credentials"]
    emr = stand.client("emr")
    cluster = make_cluster(emr, LogUri="s3://lake/logs/")
    step = add_step(emr, cluster, "s3://lake/script.py")
    return {
        "upload": upload,
        "keys": keys["AccessKeyId"],
        "cluster": cluster,
        "step": step,
    }


def _look(stand: Stand, ids: dict[str, Any]) -> dict[str, Any]:
    s3, emr = stand.client("s3"), stand.client("emr")
    versions = s3.list_object_versions(Bucket="lake")
    oldest = min(versions["Versions"], key=lambda item: item["Size"] == len(b"second"))
    answers: dict[str, Any] = {
        "versions": versions,
        "object": s3.get_object(Bucket="lake", Key="source/é x.csv", VersionId=oldest["VersionId"]),
        "parts": s3.list_parts(Bucket="lake", Key="parts", UploadId=ids["upload"]),
        "secret": stand.client("secretsmanager").get_secret_value(SecretId="idiscover/redshift"),
        "identities": stand.client("ses").list_identities(),
        "events": stand.client("logs").get_log_events(logGroupName="task", logStreamName="a/b"),
        "cluster": emr.describe_cluster(ClusterId=ids["cluster"]),
        "step": emr.describe_step(ClusterId=ids["cluster"], StepId=ids["step"]),
    }
    answers["body"] = answers["object"].pop("Body").read()
    for answer in answers.values():
        if isinstance(answer, dict):
            answer.pop("ResponseMetadata")
    return answers


def test_everything_survives_kill_and_stop(stand: Stand) -> None:
    ids = _fill(stand)
    wait_cluster(stand.client("emr"), ids["cluster"], "RUNNING")
    before = _look(stand, ids)
    assert before["body"] == BIG
    assert before["object"]["Metadata"] == {"run_id": "7"}
    assert len(before["versions"]["Versions"]) == 2
    assert len(before["versions"]["DeleteMarkers"]) == 1
    stand.crash_and_restart()
    assert _look(stand, ids) == before
    # The second crash finds a snapshot instead of a journal.
    stand.crash_and_restart()
    assert _look(stand, ids) == before
    upload = {"Bucket": "lake", "Key": "parts", "UploadId": ids["upload"]}
    part = {"PartNumber": 1, "ETag": before["parts"]["Parts"][0]["ETag"]}
    stand.client("s3").complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    stand.stop()
    stand.start()
    assert stand.client("s3").get_object(Bucket="lake", Key="parts")["Body"].read() == BIG


def test_a_write_acknowledged_is_a_write_kept(stand: Stand) -> None:
    """Four writers, a kill -9 in the midst of them: each answered VersionId is there, with its body."""
    s3 = stand.client("s3")
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    kept: list[tuple[str, str, bytes]] = []

    def write(name: str) -> None:
        client = stand.client("s3")
        for number in range(1000):
            body = f"{name} {number} ".encode() * (3000 if number % 3 == 0 else 3)
            try:
                answer = client.put_object(Bucket="lake", Key=name, Body=body)
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                return
            kept.append((name, answer["VersionId"], body))

    writers = [threading.Thread(target=write, args=(f"writer-{number}",), daemon=True) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_for(lambda: len(kept) > 80, "80 writes")
    stand.stop(signal.SIGKILL)
    count = len(kept)
    stand.start()
    assert count > 80
    for name, version, body in kept[:count]:
        assert s3.get_object(Bucket="lake", Key=name, VersionId=version)["Body"].read() == body
    for writer in writers:
        writer.join(timeout=1)


def test_large_bodies_stand_once_on_disk_and_are_collected(stand: Stand) -> None:
    s3 = stand.client("s3")
    s3.create_bucket(Bucket="lake")
    body = BIG * 8
    s3.put_object(Bucket="lake", Key="one", Body=body)
    s3.copy_object(Bucket="lake", Key="two", CopySource={"Bucket": "lake", "Key": "one"})
    stand.stop()

    def held_bytes() -> int:
        return sum(path.stat().st_size for path in stand.folder.rglob("*") if path.is_file())

    assert len(body) < held_bytes() < 1.2 * len(body)
    stand.start()
    for key in ("one", "two"):
        s3.delete_object(Bucket="lake", Key=key)
    stand.crash_and_restart()
    assert held_bytes() < 100_000


def test_conditional_put_has_one_winner(stand: Stand) -> None:
    stand.client("s3").create_bucket(Bucket="lake")
    won: list[int] = []

    def write(number: int) -> None:
        client = stand.client("s3")
        try:
            client.put_object(Bucket="lake", Key="lock", Body=str(number).encode(), IfNoneMatch="*")
            won.append(number)
        except client.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    writers = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(won) == 1
    stand.crash_and_restart()
    assert stand.client("s3").get_object(Bucket="lake", Key="lock")["Body"].read() == str(won[0]).encode()


def test_inbox(stand: Stand) -> None:
    ses = stand.client("ses")
    ses.verify_email_identity(EmailAddress="data@example.com")
    body = {
        "Text": {"Data": "plain <b>"},
        "Html": {"Data": "<p>rich</p><script>alert(1)</script>"},
    }
    message = {"Subject": {"Data": "<script>alert(2)</script>"}, "Body": body}
    ses.send_email(
        Source="data@example.com",
        Destination={"ToAddresses": ["team@example.com"]},
        Message=message,
    )
    raw = MIMEMultipart("alternative")
    raw["Subject"], raw["From"], raw["To"] = (
        "Cluster für Account",
        "iDiscover <data@example.com>",
        "owner@example.com",
    )
    raw.attach(MIMEText("läuft", "plain", "utf-8"))
    raw.attach(MIMEText("<p>läuft</p>", "html", "utf-8"))
    ses.send_raw_email(Source="data@example.com", RawMessage={"Data": raw.as_string()})
    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_email(
            Source="no@where.example",
            Destination={"ToAddresses": ["x@example.com"]},
            Message=message,
        )
    stand.crash_and_restart()
    first, second = json.loads(stand.get("inbox.json"))
    assert (first["to"], first["text"], first["html"]) == (
        ["team@example.com"],
        "plain <b>",
        body["Html"]["Data"],
    )
    assert second["subject"] == "Cluster für Account"
    assert second["from"] == "iDiscover <data@example.com>"
    assert (second["text"].strip(), second["html"].strip()) == ("läuft", "<p>läuft</p>")
    assert first["sent_at"] < second["sent_at"]
    page = stand.get("inbox").decode()
    assert "<script" not in page
    assert "&lt;script&gt;alert(2)" in page
    assert page.index("Cluster für Account") < page.index("alert(2)"), "the newest comes first"


def test_a_bucket_has_another_fingerprint_once_something_in_it_is_another(shared: Stand) -> None:
    def fingerprint(bucket: str = "prints") -> str | None:
        found: str | None = json.loads(shared.get(f"fingerprint/{bucket}"))["fingerprint"]
        return found

    s3 = shared.client("s3")
    s3.create_bucket(Bucket="prints")
    s3.put_bucket_versioning(Bucket="prints", VersioningConfiguration={"Status": "Enabled"})
    seen = [fingerprint()]
    for key, body in (("a", b"1"), ("b", b"1"), ("a", b"2")):
        s3.put_object(Bucket="prints", Key=key, Body=body)
        assert fingerprint() == fingerprint() and fingerprint() not in seen
        seen.append(fingerprint())
    s3.delete_object(Bucket="prints", Key="b")
    assert fingerprint() not in seen
    s3.put_object(Bucket="prints", Key="a", Body=b"1")
    assert fingerprint() == seen[1], "it is the content that counts"
    assert fingerprint("nowhere") is None


def test_bucket_pages(shared: Stand) -> None:
    s3 = shared.client("s3")
    s3.create_bucket(Bucket="pages")
    s3.put_object(Bucket="pages", Key="source/a&b/<i>.csv", Body=b"1,2\n")
    top = shared.get("bucket/pages/").decode()
    assert "/idiscover/bucket/pages/source/" in top
    assert ".csv" not in top
    page = shared.get("bucket/pages/source/a%26b/").decode()
    assert "&lt;i&gt;.csv" in page
    assert "<i>" not in page
    assert shared.get("bucket/pages/source/a%26b/%3Ci%3E.csv?download") == b"1,2\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        shared.get("bucket/no-such-bucket/")


def test_our_paths_do_not_hide_a_bucket(shared: Stand) -> None:
    s3 = shared.client("s3")
    s3.create_bucket(Bucket="idiscover")
    s3.put_object(Bucket="idiscover", Key="health", Body=b"an object")
    assert s3.get_object(Bucket="idiscover", Key="health")["Body"].read() == b"an object"
    assert b'"status": "ok"' in shared.get("health")


@pytest.mark.parametrize("header", [("Host", "evil.example"), ("Origin", "http://evil.example")])
def test_pages_of_other_sites_get_nothing(shared: Stand, header: tuple[str, str]) -> None:
    request = urllib.request.Request(f"{shared.url}/idiscover/inbox.json", headers=dict([header]))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
    reset = urllib.request.Request(f"{shared.url}/moto-api/reset", b"", method="POST")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(reset, timeout=10)


def test_one_server_per_state_directory(shared: Stand) -> None:
    second = shared._spawn("local.aws.server", "--port", "1")
    assert second.wait(timeout=20) == 1
