"""S3 and Secrets Manager, as little of them as an extraction asks for, fast enough not to be what is measured.

    python -m benchmarks.extract.sink --port 9000 --folder /tmp/sink

Objects are files below the folder: a part of an upload is written as it arrives, and put behind the others in the end.
moto spends 16 ms of a core on each megabyte, this one less than 2. Secrets are the files in `secrets/`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import uuid
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

_CHUNK_BYTES = 1 << 20
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Sink(ThreadingHTTPServer):
    """The server; `folder` holds a folder per bucket, `uploads/` and `secrets/`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.folder = folder
        for name in ("uploads", "secrets"):
            (folder / name).mkdir(parents=True, exist_ok=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_PUT(self) -> None:
        """PutObject and UploadPart."""
        path, query = self._address()
        if "partNumber" in query:
            number = int(query["partNumber"])
            self._receive(self.server.folder / "uploads" / query["uploadId"] / f"{number:05d}")
        else:
            self._receive(path)
        self._answer(200, headers={"ETag": f'"{uuid.uuid4().hex}"'})

    def do_POST(self) -> None:
        """Uploads begun and completed, DeleteObjects, and GetSecretValue."""
        path, query = self._address()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("X-Amz-Target", "").endswith("GetSecretValue"):
            name = json.loads(body)["SecretId"]
            text = (self.server.folder / "secrets" / name).read_text()
            self._answer(200, json.dumps({"Name": name, "SecretString": text}).encode(), "application/x-amz-json-1.1")
        elif "uploads" in query:
            upload = uuid.uuid4().hex
            (self.server.folder / "uploads" / upload).mkdir()
            self._answer_xml("InitiateMultipartUploadResult", UploadId=upload)
        elif "uploadId" in query:
            self._complete(path, self.server.folder / "uploads" / query["uploadId"])
            self._answer_xml("CompleteMultipartUploadResult", ETag=uuid.uuid4().hex)
        else:
            keys = [one.text or "" for one in ElementTree.fromstring(body).iter() if one.tag.endswith("Key")]
            for key in keys:
                (path / key).unlink(missing_ok=True)
            self._answer_xml("DeleteResult")

    def do_GET(self) -> None:
        """GetObject and ListObjectsV2."""
        path, query = self._address()
        if "list-type" in query:
            keys = sorted(one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())
            self._answer_list([key for key in keys if key.startswith(query.get("prefix", ""))])
        elif path.is_file():
            self._answer(200, path.read_bytes(), "application/octet-stream", {"ETag": '"0"'})
        else:
            self._answer(404, _xml("Error", Code="NoSuchKey"), "application/xml")

    def do_HEAD(self) -> None:
        """HeadObject, HeadBucket."""
        path, _ = self._address()
        self.send_response(200 if path.exists() else 404)
        self.send_header("Content-Length", str(path.stat().st_size if path.is_file() else 0))
        self.end_headers()

    def do_DELETE(self) -> None:
        """DeleteObject, AbortMultipartUpload."""
        path, query = self._address()
        if "uploadId" in query:
            shutil.rmtree(self.server.folder / "uploads" / query["uploadId"], ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        self._answer(204)

    def log_message(self, *_: object) -> None:
        """Nothing: a line per request would be work too."""

    def _address(self) -> tuple[Path, dict[str, str]]:
        """The file that is meant, and the query."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return self.server.folder / unquote(parts.path).lstrip("/"), query

    def _receive(self, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers["Content-Length"])
        with target.open("wb") as out:
            while left:
                chunk = self.rfile.read(min(left, _CHUNK_BYTES))
                if not chunk:
                    raise ConnectionError(f"{target}: {left} bytes are missing")
                out.write(chunk)
                left -= len(chunk)

    def _complete(self, target: Path, upload: Path) -> None:
        parts = sorted(upload.iterdir())
        target.parent.mkdir(parents=True, exist_ok=True)
        with parts[0].open("ab") as whole:
            for part in parts[1:]:
                with part.open("rb") as more:
                    shutil.copyfileobj(more, whole, _CHUNK_BYTES)
        parts[0].replace(target)
        shutil.rmtree(upload)

    def _answer_list(self, keys: Sequence[str]) -> None:
        items = "".join(f"<Contents><Key>{key}</Key><Size>0</Size></Contents>" for key in keys)
        head = f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>"
        body = f'<ListBucketResult xmlns="{_NAMESPACE}">{head}{items}</ListBucketResult>'
        self._answer(200, body.encode(), "application/xml")

    def _answer_xml(self, name: str, **values: str) -> None:
        self._answer(200, _xml(name, **values), "application/xml")

    def _answer(
        self, status: int, body: bytes = b"", content_type: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if content_type:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _xml(name: str, **values: str) -> bytes:
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return f'<{name} xmlns="{_NAMESPACE}">{inside}</{name}>'.encode()


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extract.sink", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args(argv)
    Sink(arguments.port, arguments.folder).serve_forever()


if __name__ == "__main__":
    main()
