"""The part of Tableau's REST API that publishing speaks, over TLS.

Requests and answers have the form that Tableau documents for its REST API. What it cannot do (open a data source, ask a
warehouse) it does not pretend: an extract refresh only counts.
"""

from __future__ import annotations

import email.parser
import email.policy
import re
import ssl
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from local.tableau.page import POLICY, published_page
from local.tableau.state import PublishedSource, TableauState

NAMESPACE = "http://tableau.com/api"
_SITE_ID = "site-1"
_BASE = re.compile(rf"^/api/3\.\d+(?:/sites/{_SITE_ID})?(/.*)$")


class TableauError(Exception):
    """An answer with an error: status, Tableau's code, summary."""

    def __init__(self, status: int, code: str, summary: str) -> None:
        self.status, self.code, self.summary = status, code, summary
        super().__init__(summary)


class TableauServer(ThreadingHTTPServer):
    """Speaks TLS with each client in the client's own thread: one that never answers holds up nobody else."""

    daemon_threads = True

    def __init__(self, state: TableauState, context: ssl.SSLContext, port: int) -> None:
        super().__init__(("127.0.0.1", port), type("Handler", (_Handler,), {"state": state}))
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that went away, or does not trust the certificate, is no fault of the server's."""


def tableau_server(state: TableauState, certificate: Path, key: Path, port: int = 0) -> TableauServer:
    """A server, not serving yet.

    Args:
        state: what it holds.
        certificate: of the server with its chain, PEM.
        key: of the certificate, PEM.
        port: of 127.0.0.1; 0: one that is free.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return TableauServer(state, context, port)


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[TableauState]
    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that a client may be silent

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in _PAGES:
            with self.state.lock:
                page = _PAGES[self.path](self.state)
            self._send(200, "text/html; charset=utf-8", page)
            return
        root = Element("tsResponse", {"xmlns": NAMESPACE})
        try:
            with self.state.lock:
                status = self._route(body, root)
                if self.command != "GET":
                    self.state.save()
        except TableauError as error:
            root = Element("tsResponse", {"xmlns": NAMESPACE})
            fault = SubElement(root, "error", {"code": error.code})
            SubElement(fault, "summary").text = error.summary
            SubElement(fault, "detail").text = error.summary
            status = error.status
        content = b"" if status == 204 else b'<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root)
        if self.state.page is not None:
            status, content = 200, self.state.page
        self._send(status, "application/xml", content)

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _route(self, body: bytes, root: Element) -> int:
        address = urlsplit(self.path)
        found = _BASE.match(address.path)
        if found is None:
            raise TableauError(404, "404000", "no such resource")
        path, query = found[1], {key: values[0] for key, values in parse_qs(address.query).items()}
        self.state.requests.append(f"{self.command} {path}")
        if path == "/auth/signin":
            return _sign_in(self.state, body, root)
        if self.headers.get("X-Tableau-Auth") != self.state.session:
            raise TableauError(401, "401002", "invalid authentication credentials were provided")
        if self.state.fail_next is not None:
            status, self.state.fail_next = self.state.fail_next, None
            raise TableauError(status, f"{status}000", self.state.fault)
        for method, pattern, handle in _ROUTES:
            place = re.fullmatch(pattern, path)
            if place is not None and method == self.command:
                return handle(self, place.groups(), query, body, root)
        raise TableauError(405, "405000", f"{self.command} {path} is not spoken here")

    def multipart(self, body: bytes) -> tuple[Element, bytes]:
        """The request's XML, and the file beside it (empty: it was uploaded before)."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        parts = {
            part.get_param("name", header="Content-Disposition"): part.get_payload(decode=True)
            for part in message.iter_parts()
        }
        files = [content for name, content in parts.items() if name != "request_payload"]
        request = parts["request_payload"]
        return ElementTree.fromstring(request or b"<tsRequest/>"), files[0] if files else b""


def _sign_in(state: TableauState, body: bytes, root: Element) -> int:
    credentials = ElementTree.fromstring(body).find("credentials")
    assert credentials is not None
    site = credentials.find("site")
    given = (credentials.get("personalAccessTokenName"), credentials.get("personalAccessTokenSecret"))
    if given != (state.token_name, state.token_value) or site is None or site.get("contentUrl") != state.site:
        raise TableauError(401, "401001", "the personal access token you provided is invalid")
    state.sign_ins += 1
    answer = SubElement(root, "credentials", {"token": state.session})
    SubElement(answer, "site", {"id": _SITE_ID, "contentUrl": state.site})
    SubElement(answer, "user", {"id": "user-1"})
    return 200


def _sign_out(*_: object) -> int:
    return 204


def _filtered(query: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Id → name of those that `filter=name:eq:…` keeps."""
    wanted = unquote(query.get("filter", "")).removeprefix("name:eq:")
    return {key: name for key, name in names.items() if not wanted or name == wanted}


def _page(root: Element, count: int) -> None:
    SubElement(root, "pagination", {"pageNumber": "1", "pageSize": "100", "totalAvailable": str(count)})


def _projects(handler: _Handler, _place: object, query: Mapping[str, str], _body: bytes, root: Element) -> int:
    names = {f"project-{number}": name for number, name in enumerate(handler.state.projects)}
    found = _filtered(query, names)
    _page(root, len(found))
    parent = SubElement(root, "projects")
    for key, name in found.items():
        SubElement(parent, "project", {"id": key, "name": name, "contentPermissions": "LockedToProject"})
    return 200


def _element(parent: Element, key: str, source: PublishedSource) -> None:
    element = SubElement(
        parent,
        "datasource",
        {
            "id": key,
            "name": source.name,
            "contentUrl": source.name.replace(" ", ""),
            "type": "redshift",
            "description": source.description,
            "isCertified": str(source.is_certified).lower(),
            "certificationNote": source.note,
            "hasExtracts": str(source.has_extract).lower(),
            "createdAt": source.created_at,
            "updatedAt": source.updated_at,
        },
    )
    SubElement(element, "project", {"id": "project-1", "name": "iDiscover"})
    tags = SubElement(element, "tags")
    for tag in sorted(source.tags):
        SubElement(tags, "tag", {"label": tag})


def _data_sources(handler: _Handler, _place: object, query: Mapping[str, str], _body: bytes, root: Element) -> int:
    sources = handler.state.sources
    found = _filtered(query, {key: source.name for key, source in sources.items()})
    _page(root, len(found))
    parent = SubElement(root, "datasources")
    for key in found:
        _element(parent, key, sources[key])
    return 200


def _publish(handler: _Handler, _place: object, query: Mapping[str, str], body: bytes, root: Element) -> int:
    request, content = handler.multipart(body)
    if "uploadSessionId" in query:
        content = handler.state.uploads.pop(query["uploadSessionId"])
    asked = request.find("datasource")
    assert asked is not None and query["datasourceType"] == "tds" and query["overwrite"] == "true"
    name, project = str(asked.get("name")), asked.find("project")
    if project is None or project.get("id") != "project-1":
        raise TableauError(403, "403007", "you may not publish to this project")
    sources = handler.state.sources
    standing = ((key, source) for key, source in sources.items() if source.name == name)
    key, source = next(standing, None) or handler.state.new_source(name)
    source.text, source.has_extract = content.decode("utf-8"), False  # a live connection takes the extract's place
    source.description = asked.get("description") or ""
    credentials = asked.find("connectionCredentials")
    source.login = None if credentials is None or credentials.get("embed") != "true" else credentials.get("name")
    source.publications += 1
    source.touch()
    _element(root, key, source)
    return 201


def _source(handler: _Handler, key: str) -> PublishedSource:
    source = handler.state.sources.get(key)
    if source is None:
        raise TableauError(404, "404004", "there is no such data source")
    return source


def _update(handler: _Handler, place: tuple[str, ...], _query: object, body: bytes, root: Element) -> int:
    asked, source = ElementTree.fromstring(body).find("datasource"), _source(handler, place[0])
    assert asked is not None
    source.is_certified = asked.get("isCertified") == "true"
    source.note, source.description = asked.get("certificationNote") or "", asked.get("description") or ""
    source.updates += 1
    source.touch()
    _element(root, place[0], source)
    return 200


def _delete(handler: _Handler, place: tuple[str, ...], *_: object) -> int:
    _source(handler, place[0])
    del handler.state.sources[place[0]]
    return 204


def _add_tags(handler: _Handler, place: tuple[str, ...], _query: object, body: bytes, root: Element) -> int:
    labels = {str(tag.get("label")) for tag in ElementTree.fromstring(body).iter("tag")}
    source = _source(handler, place[0])
    source.tags |= labels
    parent = SubElement(root, "tags")
    for label in sorted(source.tags):
        SubElement(parent, "tag", {"label": label})
    return 200


def _delete_tag(handler: _Handler, place: tuple[str, ...], *_: object) -> int:
    _source(handler, place[0]).tags.discard(unquote(place[1]))
    return 204


def _warnings(handler: _Handler, place: tuple[str, ...], _query: object, _body: object, root: Element) -> int:
    warning = _source(handler, place[0]).warning
    parent = SubElement(root, "dataQualityWarningList")
    if warning is not None:
        SubElement(parent, "dataQualityWarning", {"id": f"warning-of-{place[0]}", **warning})
    return 200


def _set_warning(handler: _Handler, place: tuple[str, ...], query: object, body: bytes, root: Element) -> int:
    asked, source = ElementTree.fromstring(body).find("dataQualityWarning"), _source(handler, place[0])
    assert asked is not None
    if handler.command == "POST" and source.warning is not None:
        raise TableauError(409, "409034", "there is a warning already")
    source.warning = dict(asked.attrib)
    return _warnings(handler, place, query, body, root)


def _clear_warning(handler: _Handler, place: tuple[str, ...], *_: object) -> int:
    _source(handler, place[0]).warning = None
    return 204


def _refresh(handler: _Handler, place: tuple[str, ...], _query: object, _body: bytes, root: Element) -> int:
    source = _source(handler, place[0])
    if place[1] == "refresh" and not source.has_extract:
        raise TableauError(400, "400000", "there is no extract to refresh")
    source.has_extract, source.refreshes = True, source.refreshes + 1
    source.touch()
    handler.state.polls = 0
    SubElement(root, "job", {"id": "job-1", "mode": "Asynchronous", "type": "RefreshExtract", "progress": "0"})
    return 202


def _job(handler: _Handler, place: tuple[str, ...], _query: object, _body: bytes, root: Element) -> int:
    handler.state.polls += 1
    attributes = {"id": place[0], "mode": "Asynchronous", "type": "RefreshExtract", "progress": "50"}
    if handler.state.polls > 1:
        outcome = str(handler.state.job_outcome)
        attributes |= {"progress": "100", "completedAt": "2026-01-06T03:00:00Z", "finishCode": outcome}
    SubElement(root, "job", attributes)
    return 200


def _begin_upload(handler: _Handler, _place: object, _query: object, _body: bytes, root: Element) -> int:
    key = f"upload-{len(handler.state.uploads)}"
    handler.state.uploads[key] = b""
    SubElement(root, "fileUpload", {"uploadSessionId": key, "fileSize": "0"})
    return 201


def _append(handler: _Handler, place: tuple[str, ...], _query: object, body: bytes, root: Element) -> int:
    _, content = handler.multipart(body)
    handler.state.uploads[place[0]] += content
    SubElement(root, "fileUpload", {"uploadSessionId": place[0], "fileSize": "1"})
    return 200


_PAGES: Mapping[str, Callable[[TableauState], bytes]] = {
    "/": lambda state: published_page(list(state.sources.values())),
    "/idiscover/health": lambda _state: b"ok",
}
_DQW = r"/dataQualityWarnings/datasource/([^/]+)"
_ROUTES = (
    ("POST", r"/auth/signout", _sign_out),
    ("GET", r"/projects", _projects),
    ("GET", r"/datasources", _data_sources),
    ("POST", r"/datasources", _publish),
    ("PUT", r"/datasources/([^/]+)", _update),
    ("DELETE", r"/datasources/([^/]+)", _delete),
    ("PUT", r"/datasources/([^/]+)/tags", _add_tags),
    ("DELETE", r"/datasources/([^/]+)/tags/([^/]+)", _delete_tag),
    ("POST", r"/datasources/([^/]+)/(refresh|createExtract)", _refresh),
    ("GET", _DQW, _warnings),
    ("POST", _DQW, _set_warning),
    ("PUT", _DQW, _set_warning),
    ("DELETE", _DQW, _clear_warning),
    ("GET", r"/jobs/([^/]+)", _job),
    ("POST", r"/fileUploads", _begin_upload),
    ("PUT", r"/fileUploads/([^/]+)", _append),
)
