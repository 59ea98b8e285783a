"""Pages for people: the inbox and a read-only browser of a bucket. Everything that comes from outside is escaped.

And one for the mirror of the DAG bucket, which asks every other second whether anything is new.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from html import escape
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote

from moto.s3.models import FakeKey, s3_backends

from local.aws import mail
from local.aws.agent_api import json_response
from local.aws.wire import Response

INBOX = "/idiscover/inbox"
BUCKET = "/idiscover/bucket/"
FINGERPRINT = "/idiscover/fingerprint/"  # of a bucket: another one once an object of it has come, gone or changed
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self' data: about:; img-src data:"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b2733;background:#f5f7f9;margin:0}
main{max-width:60rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.3rem;margin:0 0 1rem}
article,table{background:#fff;border:1px solid #dde3e9;border-radius:8px}
article{margin:0 0 1rem;overflow:hidden}
article header{padding:.8rem 1rem;border-bottom:1px solid #dde3e9}
article h2{font-size:1.05rem;margin:0 0 .2rem}
.quiet{color:#5d6b79;font-size:.87rem}
pre{margin:0;padding:1rem;white-space:pre-wrap;overflow-wrap:anywhere;font:.87rem/1.5 ui-monospace,monospace}
iframe{width:100%;height:22rem;border:0;display:block;background:#fff}
table{border-collapse:collapse;width:100%}
th,td{padding:.45rem .8rem;text-align:left;border-bottom:1px solid #edf0f3}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr:last-child td{border-bottom:0}
a{color:#0b5cad;text-decoration:none} a:hover{text-decoration:underline}
"""


def render(path: str, query: str) -> Response:
    """The page at `path`; 404 if there is none."""
    if path == INBOX + ".json":
        return json_response([item.as_json() for item in mail.inbox()])
    if path.rstrip("/") == INBOX:
        return _inbox_page()
    if path.startswith(FINGERPRINT):
        return json_response({"fingerprint": _fingerprint(path.removeprefix(FINGERPRINT))})
    if path.startswith(BUCKET) or path == BUCKET.rstrip("/"):
        bucket, _, rest = path.removeprefix(BUCKET.rstrip("/")).lstrip("/").partition("/")
        return _bucket_page(bucket, rest, "download" in parse_qs(query, keep_blank_values=True))
    return _html("Not found", "<p>There is no such page.</p>", "404 Not Found")


def _html(title: str, content: str, status: str = "200 OK") -> Response:
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    ).encode()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))]
    return Response(status, [*headers, ("Content-Security-Policy", _POLICY)], page)


def _when(at_utc: dt.datetime) -> str:
    return f"{at_utc:%Y-%m-%d %H:%M:%S} UTC"


def _inbox_page() -> Response:
    mails = list(reversed(mail.inbox()))
    content = "".join(_mail_article(item) for item in mails) or "<p>No mail has been sent yet.</p>"
    return _html(f"Inbox ({len(mails)})", content)


def _mail_article(item: mail.Mail) -> str:
    if item.html is not None:
        # Sandboxed: no script, no form, no origin, whatever the mail holds.
        body = f'<iframe sandbox srcdoc="{escape(item.html, quote=True)}" title="Message"></iframe>'
    else:
        body = f"<pre>{escape(item.text or '')}</pre>"
    return (
        f"<article><header><h2>{escape(item.subject or '(no subject)')}</h2>"
        f'<div class="quiet">{_when(item.sent_at)} · from {escape(item.sender)}'
        f" · to {escape(', '.join(item.to))}</div></header>{body}</article>"
    )


def _buckets() -> dict[str, Any]:
    return {
        name: bucket
        for _account, _part, backend in s3_backends.iter_backends()
        for name, bucket in backend.buckets.items()
    }


def _fingerprint(name: str) -> str | None:
    """Tells two contents of a bucket apart, at a hundredth of what a listing costs; None if there is no such bucket."""
    bucket = _buckets().get(name)
    if bucket is None:
        return None
    found = ((key, item.etag) for key, item in bucket.keys.items() if isinstance(item, FakeKey))
    return hashlib.sha256(repr(sorted(found)).encode()).hexdigest()


def _bucket_page(name: str, prefix: str, download: bool) -> Response:
    buckets = _buckets()
    if not name:
        rows = "".join(_row(_link(BUCKET + quote(item) + "/", item), "", "") for item in sorted(buckets))
        return _html("Buckets", _table(rows))
    if name not in buckets:
        return _html("No such bucket", f"<p>There is no bucket {escape(name)}.</p>", "404 Not Found")
    keys = {key: found for key, found in buckets[name].keys.items() if isinstance(found, FakeKey)}
    if download:
        return _download(keys.get(prefix))
    return _html(f"s3://{name}/{prefix}", _parent_link(name, prefix) + _table(_listing(name, keys, prefix)))


def _download(found: FakeKey | None) -> Response:
    if found is None:
        return _html("No such object", "<p>There is no such object.</p>", "404 Not Found")
    data = found.value
    filename = quote(PurePosixPath(found.name).name or "object")
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(len(data))),
        ("Content-Disposition", f"attachment; filename*=UTF-8''{filename}"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return Response("200 OK", headers, data)


def _listing(bucket: str, keys: dict[str, FakeKey], prefix: str) -> str:
    folders: dict[str, int] = {}
    objects: list[tuple[str, FakeKey]] = []
    for key, found in sorted(keys.items()):
        if not key.startswith(prefix):
            continue
        head, slash, _ = key[len(prefix) :].partition("/")
        if slash:
            folders[prefix + head + "/"] = folders.get(prefix + head + "/", 0) + found.size
        else:
            objects.append((key, found))
    base = BUCKET + quote(bucket) + "/"
    rows = [
        _row("📁 " + _link(base + quote(path), path[len(prefix) :]), _size(size), "") for path, size in folders.items()
    ]
    for key, found in objects:
        link = _link(f"{base}{quote(key)}?download", key[len(prefix) :] or key)
        rows.append(_row(link, _size(found.size), _when(found.last_modified)))
    return "".join(rows)


def _parent_link(bucket: str, prefix: str) -> str:
    if not prefix:
        return f"<p>{_link(BUCKET, '↑ all buckets')}</p>"
    parent = prefix.rstrip("/").rpartition("/")[0]
    path = BUCKET + quote(bucket) + "/" + quote(parent + "/" if parent else "")
    return f"<p>{_link(path, '↑ up')}</p>"


def _link(path: str, text: str) -> str:
    return f'<a href="{escape(path, quote=True)}">{escape(text)}</a>'


def _row(name: str, size: str, when: str) -> str:
    return f'<tr><td>{name}</td><td class="n">{size}</td><td>{when}</td></tr>'


def _table(rows: str) -> str:
    if not rows:
        return "<p>Nothing here.</p>"
    return f'<table><tr><th>Name</th><th class="n">Size</th><th>Modified</th></tr>{rows}</table>'


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
