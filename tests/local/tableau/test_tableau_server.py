"""The stack's Tableau server: what was published outlives it, and people can look at it."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from local.salesforce.tls import ensure_tls
from local.tableau.credentials import CREDENTIALS_FILE, ensure_token
from local.tableau.server import tableau_server
from local.tableau.state import TableauState, opened


@contextmanager
def served(state: TableauState, folder: Path) -> Iterator[tuple[str, int]]:
    tls = ensure_tls(folder)
    server = tableau_server(state, tls.certificate, tls.key)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}", server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    token = ensure_token(tmp_path / "tableau")
    assert ensure_token(tmp_path / "tableau") == token and len(token["token_value"]) > 20
    assert (tmp_path / "tableau" / CREDENTIALS_FILE).stat().st_mode & 0o777 == 0o600


def test_what_was_published_outlives_the_server(tmp_path: Path) -> None:
    token = ensure_token(tmp_path)
    state = opened(tmp_path / "published.json", token)
    key, source = state.new_source("Labs")
    source.text, source.tags, source.warning = "<datasource/>", {"b", "a"}, {"message": "old"}
    source.touch()
    state.sign_ins = 3
    state.save()
    again = opened(tmp_path / "published.json", token)
    assert again.sources == {key: source} and again.session == state.session
    del again.sources[key]
    assert again.new_source("Labs")[0] != key, "an id is not given twice"
    assert json.loads((tmp_path / "published.json").read_text())["sources"][key]["tags"] == ["a", "b"]


def test_a_page_shows_what_was_published_and_runs_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ensure_tls(tmp_path).ca))
    state = TableauState("name", "value", "site")
    with served(state, tmp_path) as (address, _):
        assert "Nothing was published yet." in requests.get(f"{address}/", timeout=10).text
        _, source = state.new_source("<script>alert(1)</script>")
        source.is_certified, source.note, source.warning = True, "Loaded & compared.", {"message": "iDiscover: <b>"}
        answer = requests.get(f"{address}/", timeout=10)
        assert (
            "<script" not in answer.text and "&lt;script&gt;" in answer.text and "iDiscover: &lt;b&gt;" in answer.text
        )
        assert "Loaded &amp; compared." in answer.text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        refused = requests.get(f"{address}/api/3.21/sites/site-1/datasources", timeout=10)
        assert refused.status_code == 401, "the API wants a session"


def test_who_connects_and_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    import ssl

    context = ssl.create_default_context(cafile=str(ensure_tls(tmp_path).ca))
    with served(TableauState("name", "value", "site"), tmp_path) as (address, port):
        with socket.create_connection(("127.0.0.1", port)):
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            assert opener.open(f"{address}/idiscover/health", timeout=10).status == 200
