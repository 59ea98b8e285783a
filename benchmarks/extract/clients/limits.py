"""All result pages of a query, fetched side by side by bare processes: how fast anything could be.

`raw` reads what comes and keeps nothing; `plain` asks for no compression; `arrow` unpacks the pages, has Arrow parse
them (every value as text), and packs their text anew. Runs in an environment of its own; prints JSON.
"""

import argparse
import json
import multiprocessing
import os
import time

import urllib3
from isal import isal_zlib

CHUNK_BYTES = 256 * 1024
GZIP = isal_zlib.MAX_WBITS | 16


class Org:
    """One connection, logged in."""

    def __init__(self) -> None:
        self.url = os.environ["ORG_URL"]
        self.http = urllib3.PoolManager(ca_certs=os.environ["REQUESTS_CA_BUNDLE"])
        self.headers: dict[str, str] = {}

    def log_in(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": os.environ["CLIENT_ID"]}
        form["client_secret"] = os.environ["CLIENT_SECRET"]
        answer = self.http.request("POST", f"{self.url}/services/oauth2/token", fields=form, encode_multipart=False)
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def get(self, path: str) -> dict:
        return self.http.request("GET", self.url + path, headers=self.headers).json()

    def pages(self, soql: str) -> list[str]:
        """The pages of a new job."""
        base = "/services/data/v62.0/jobs/query"
        job = self.http.request(
            "POST", self.url + base, headers=self.headers, json={"operation": "query", "query": soql}
        )
        path, found = f"{base}/{job.json()['id']}", []
        while self.get(path)["state"] != "JobComplete":
            time.sleep(0.25)
        path += "/resultPages"
        while path:
            answer = self.get(path)
            found += [page["resultUrl"] for page in answer["resultPages"]]
            path = answer.get("nextRecordUrl")
        return found

    def chunks(self, path: str, encoding: str):
        """A page as it comes over the wire."""
        headers = {**self.headers, "Accept-Encoding": encoding}
        answer = self.http.request("GET", self.url + path, headers=headers, preload_content=False)
        yield from answer.stream(CHUNK_BYTES, decode_content=False)
        answer.release_conn()


class Repacked:
    """The text of a packed page as a file that Arrow reads; what was read is packed anew and forgotten."""

    closed = False

    def __init__(self, chunks) -> None:
        self._chunks = chunks
        self._unpacker = isal_zlib.decompressobj(GZIP)
        self._packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, GZIP)
        self._rest = b""
        self.text_bytes = 0
        self.wire_bytes = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size or size < 0:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.wire_bytes += len(chunk)
            self._rest += self._unpacker.decompress(chunk)
        size = len(self._rest) if size < 0 else size
        text, self._rest = self._rest[:size], self._rest[size:]
        self._packer.compress(text)
        self.text_bytes += len(text)
        return text


ORG: Org


def begin(headers: dict[str, str]) -> None:
    """Of each process: a connection of its own."""
    global ORG
    ORG = Org()
    ORG.headers = headers


def raw(path: str) -> tuple[int, int, int]:
    """(rows, bytes over the wire, bytes of text), as far as known."""
    return 0, sum(map(len, ORG.chunks(path, "gzip"))), 0


def plain(path: str) -> tuple[int, int, int]:
    return 0, sum(map(len, ORG.chunks(path, "identity"))), 0


def arrow(path: str) -> tuple[int, int, int]:
    import pyarrow
    from pyarrow import csv

    text, columns = Repacked(ORG.chunks(path, "gzip")), json.loads(os.environ["COLUMNS"])
    reader = csv.open_csv(
        pyarrow.PythonFile(text, mode="r"),
        csv.ReadOptions(use_threads=False, block_size=1 << 20),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=dict.fromkeys(columns, pyarrow.string())),
    )
    rows = sum(batch.num_rows for batch in reader)
    return rows, text.wire_bytes, text.text_bytes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=("raw", "plain", "arrow"))
    parser.add_argument("--soql", required=True)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    org = Org()
    org.log_in()
    pages = org.pages(arguments.soql)
    with multiprocessing.get_context("fork").Pool(arguments.processes, begin, (org.headers,)) as pool:
        started = time.monotonic()
        found = list(pool.imap_unordered(globals()[arguments.way], pages))
        seconds = time.monotonic() - started
    rows, wire, text = (sum(column) for column in zip(*found, strict=True))
    print(json.dumps({"rows": rows or None, "wire_bytes": wire, "text_bytes": text, "pages_seconds": seconds}))


if __name__ == "__main__":
    main()
