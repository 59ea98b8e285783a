"""Properties of the journal's replay, over random sequences of requests.

Run by test_aws_replay.py in a process of its own, because the stand-in patches moto for the whole process. Requests are
made with boto3 and answered by the WSGI application without a socket.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import botocore.awsrequest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from local.aws import app, blobs, journal, wire

KEYS = st.sampled_from(["a", "folder/b", "c d+é", "x" * 50])
# On both sides of the limit above which a body becomes a file.
BODIES = st.builds(
    lambda fill, size: fill * size,
    st.binary(min_size=1, max_size=1),
    st.sampled_from([0, 1, 100, blobs.INLINE_LIMIT_BYTES, blobs.INLINE_LIMIT_BYTES + 1, 70_000]),
)
# test_aws_replay.py tells moto to take parts as small as this.
PART = 70_000


class _Raw(io.BytesIO):
    def stream(self, *_args: Any, **_kwargs: Any) -> Any:
        yield self.read()


class Process:
    """One life of the server over `folder`, reached through boto3 clients."""

    def __init__(self, folder: Path) -> None:
        self.stand_in = app.StandIn(folder)
        self.stand_in.engine.open()
        self.s3, self.secrets, self.logs = (self._client(name) for name in ("s3", "secretsmanager", "logs"))
        self.emr = self._client("emr")

    def _client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client(service, endpoint_url="http://127.0.0.1:9", region_name="us-east-1", **keys)
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: Any, **_kwargs: Any) -> botocore.awsrequest.AWSResponse:
        parts = urlsplit(request.url)
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        environ = {
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote(parts.path).encode().decode("latin-1"),
            "RAW_URI": parts.path + (f"?{parts.query}" if parts.query else ""),
            "QUERY_STRING": parts.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "9",
            "SCRIPT_NAME": "",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body if isinstance(body, bytes) else body.encode()),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_HOST": "127.0.0.1:9",
        }
        for name, value in request.headers.items():
            text = value.decode() if isinstance(value, bytes) else str(value)
            key = name.upper().replace("-", "_")
            environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = text
        response = wire.call(self.stand_in, environ)
        headers = botocore.awsrequest.HeadersDict(response.headers)
        return botocore.awsrequest.AWSResponse(request.url, response.code, headers, _Raw(response.body))


class Replay(RuleBasedStateMachine):
    """What was acknowledged, kept in plain dictionaries, is what the restarted server answers."""

    uploads = Bundle("uploads")

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.process = Process(self.folder)
        self.versions: dict[str, list[tuple[str, bytes | None]]] = {}
        self.plain: dict[str, bytes] = {}
        self.secrets: dict[str, tuple[str, str, str]] = {}
        self.lines: list[str] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.clusters: dict[str, list[str]] = {}
        self.fresh = False
        s3 = self.process.s3
        s3.create_bucket(Bucket="versioned")
        s3.create_bucket(Bucket="plain")
        s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        self.process.logs.create_log_group(logGroupName="group")
        self.process.logs.create_log_stream(logGroupName="group", logStreamName="stream")

    def teardown(self) -> None:
        self.check()
        self.temporary.cleanup()

    @rule(key=KEYS, body=BODIES)
    def put(self, key: str, body: bytes) -> None:
        answer = self.process.s3.put_object(Bucket="versioned", Key=key, Body=body, Metadata={"mark": "1"})
        self.versions.setdefault(key, []).append((answer["VersionId"], body))
        self.process.s3.put_object(Bucket="plain", Key=key, Body=body)
        self.plain[key] = body

    @rule(key=KEYS, body=BODIES)
    def put_if_absent(self, key: str, body: bytes) -> None:
        s3 = self.process.s3
        try:
            s3.put_object(Bucket="plain", Key=key, Body=body, IfNoneMatch="*")
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed" and key in self.plain
        else:
            assert key not in self.plain
            self.plain[key] = body

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        answer = self.process.s3.delete_object(Bucket="versioned", Key=key)
        if key in self.versions:
            self.versions[key].append((answer["VersionId"], None))
        self.process.s3.delete_object(Bucket="plain", Key=key)
        self.plain.pop(key, None)

    @rule(key=KEYS, pick=st.integers(0, 100))
    def delete_version(self, key: str, pick: int) -> None:
        if self.versions.get(key):
            version, _ = self.versions[key].pop(pick % len(self.versions[key]))
            self.process.s3.delete_object(Bucket="versioned", Key=key, VersionId=version)
            if not self.versions[key]:
                del self.versions[key]

    @rule(source=KEYS, to=KEYS)
    def copy(self, source: str, to: str) -> None:
        if source in self.plain:
            place = {"Bucket": "plain", "Key": source}
            answer = self.process.s3.copy_object(Bucket="versioned", Key=to, CopySource=place)
            self.versions.setdefault(to, []).append((answer["VersionId"], self.plain[source]))

    @rule(target=uploads, key=KEYS)
    def begin_upload(self, key: str) -> tuple[str, str]:
        upload = self.process.s3.create_multipart_upload(Bucket="plain", Key=key)["UploadId"]
        self.parts[upload] = {}
        return key, upload

    @rule(place=uploads, number=st.integers(1, 2), fill=st.binary(min_size=1, max_size=1))
    def upload_part(self, place: tuple[str, str], number: int, fill: bytes) -> None:
        key, upload = place
        if upload in self.parts:
            ids = {
                "Bucket": "plain",
                "Key": key,
                "UploadId": upload,
                "PartNumber": number,
            }
            self.process.s3.upload_part(**ids, Body=fill * PART)
            self.parts[upload][number] = fill * PART

    @rule(place=consumes(uploads), finish=st.booleans())
    def end_upload(self, place: tuple[str, str], finish: bool) -> None:
        key, upload = place
        parts = self.parts.pop(upload)
        s3, ids = self.process.s3, {"Bucket": "plain", "Key": key, "UploadId": upload}
        if not (parts and finish):
            s3.abort_multipart_upload(**ids)
            return
        listed = s3.list_parts(**ids)["Parts"]
        chosen = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in listed]
        s3.complete_multipart_upload(**ids, MultipartUpload={"Parts": chosen})
        self.plain[key] = b"".join(parts[number] for number in sorted(parts))

    @rule(name=st.sampled_from(["one", "two"]), value=st.text(min_size=1, max_size=20))
    def put_secret(self, name: str, value: str) -> None:
        manager = self.process.secrets
        known = name in self.secrets
        call = {"SecretId": name} if known else {"Name": name}
        answer = (manager.put_secret_value if known else manager.create_secret)(**call, SecretString=value)
        self.secrets[name] = (answer["ARN"], answer["VersionId"], value)

    @rule(line=st.text(min_size=1, max_size=20))
    def log_line(self, line: str) -> None:
        event = {
            "timestamp": int(time.time() * 1000) + len(self.lines),
            "message": line,
        }
        self.process.logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=[event])
        self.lines.append(line)

    @rule(steps=st.integers(0, 2))
    def run_cluster(self, steps: int) -> None:
        step = {
            "Name": "s",
            "HadoopJarStep": {
                "Jar": "command-runner.jar",
                "Args": ["spark-submit", "x"],
            },
        }
        instances = {
            "KeepJobFlowAliveWhenNoSteps": True,
            "MasterInstanceType": "m5.xlarge",
            "InstanceCount": 1,
        }
        cluster = self.process.emr.run_job_flow(Name="c", Instances=instances)["JobFlowId"]
        ids = []
        if steps:
            ids = self.process.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step] * steps)["StepIds"]
        self.clusters[cluster] = ids

    @rule()
    def compact(self) -> None:
        self.process.stand_in.engine.compact()

    @rule(torn=st.floats(0, 0.999))
    def crash(self, torn: float) -> None:
        """A kill -9: no goodbye, and `torn` of a record that was being written, never answered, is left behind."""
        current = max(self.folder.glob("journal-*.log"))
        request = journal.Request(
            {"REQUEST_METHOD": "DELETE", "PATH_INFO": "/plain/a"},
            blobs.Body(0, inline=b""),
        )
        record = journal.encode(journal.Entry(journal.dt.datetime(2030, 1, 1), 1, request))
        with current.open("ab") as file:
            file.write(record[: int(len(record) * torn)])
        self.process = Process(self.folder)
        self.fresh = True

    @invariant()
    def check_after_crash(self) -> None:
        if self.fresh:
            self.fresh = False
            self.check()

    def check(self) -> None:
        self._check_versions()
        self._check_plain()
        for name, (arn, version, value) in self.secrets.items():
            found = self.process.secrets.get_secret_value(SecretId=name)
            assert (found["ARN"], found["VersionId"], found["SecretString"]) == (
                arn,
                version,
                value,
            )
        events = self.process.logs.get_log_events(logGroupName="group", logStreamName="stream", startFromHead=True)
        assert [event["message"] for event in events["events"]] == self.lines
        for cluster, steps in self.clusters.items():
            found = self.process.emr.list_steps(ClusterId=cluster)["Steps"]
            assert [step["Id"] for step in reversed(found)] == steps

    def _check_versions(self) -> None:
        s3 = self.process.s3
        listed = s3.list_object_versions(Bucket="versioned")
        found = {(item["Key"], item["VersionId"]) for item in listed.get("Versions", [])}
        markers = {(item["Key"], item["VersionId"]) for item in listed.get("DeleteMarkers", [])}
        expected = [(key, *version) for key, versions in self.versions.items() for version in versions]
        assert found == {(key, version) for key, version, body in expected if body is not None}
        assert markers == {(key, version) for key, version, body in expected if body is None}
        for key, version, body in expected:
            if body is not None:
                assert s3.get_object(Bucket="versioned", Key=key, VersionId=version)["Body"].read() == body

    def _check_plain(self) -> None:
        s3 = self.process.s3
        assert {item["Key"] for item in s3.list_objects_v2(Bucket="plain").get("Contents", [])} == set(self.plain)
        for key, body in self.plain.items():
            assert s3.get_object(Bucket="plain", Key=key)["Body"].read() == body
        uploads = s3.list_multipart_uploads(Bucket="plain").get("Uploads", [])
        assert {item["UploadId"] for item in uploads} == set(self.parts)


Replay.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
TestReplay = Replay.TestCase
