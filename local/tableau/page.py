"""A page for people: what was published, when, and what it says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from local.tableau.state import PublishedSource

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b2733;background:#f5f7f9;margin:0}
main{max-width:75rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.3rem}
table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #dde3e9}
th,td{padding:.45rem .8rem;text-align:left;vertical-align:top;border-bottom:1px solid #edf0f3}
.warning{color:#9a3412}
"""
_COLUMNS = ("Data source", "Published", "Tags", "Rows", "Certified", "Warning")


def published_page(sources: Sequence[PublishedSource]) -> bytes:
    """HTML; everything that was published is escaped."""
    rows = "".join(_row(source) for source in sorted(sources, key=lambda item: item.name))
    head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
    table = f"<table><tr>{head}</tr>{rows}</table>" if rows else "<p>Nothing was published yet.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Published data sources</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><main><h1>Published data sources ({len(sources)})</h1>{table}</main></body></html>"
    ).encode()


def _row(source: PublishedSource) -> str:
    times = f"{source.publications} time{'' if source.publications == 1 else 's'}, changed {source.updated_at}"
    extract = f"refreshed {source.refreshes} times" if source.has_extract else "live"
    warning = (source.warning or {}).get("message", "")
    cells = [
        f"<b>{escape(source.name)}</b><br>{escape(source.description)}",
        escape(times),
        escape(", ".join(sorted(source.tags))),
        extract,
        escape(source.note) if source.is_certified else "no",
        f'<span class="warning">{escape(warning)}</span>',
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
