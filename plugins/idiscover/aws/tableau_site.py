"""A site of Tableau Server or Cloud, by the official client: sign in, publish, describe, warn, refresh."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import requests
import tableauserverclient as tsc
from tableauserverclient.server.endpoint import exceptions as tableau_errors

from idiscover.errors import ConfigError, FatalError, NextRunError, RetriableError
from idiscover.metadata.environment import TableauSettings
from idiscover.tableau.notes import MARK

API_VERSION = "3.21"  # of Tableau 2023.3, the oldest that is used
NEEDED = ("server", "token_name", "token_value")
_SECRET = ("token_value", "reader_password")
_SESSION_ENDED = "401002"  # Tableau's code for a session that it does not know any more
_TAG = "idiscover-"  # and the text's fingerprint: tells whether what is published is what would be published
_ENVIRONMENT_TAG = f"{_TAG}of-"  # and the environment: what a second one publishes beside it is not of its concern

# No answer, or one of something before Tableau: a proxy, a page of maintenance.
_UNANSWERED = (
    requests.RequestException,
    tableau_errors.InternalServerError,
    tableau_errors.NonXMLResponseError,
    ParseError,
)

Published = tsc.DatasourceItem


class TableauSite:
    """Signed in; the methods raise what `tableau_site` says."""

    def __init__(self, server: tsc.Server, settings: TableauSettings) -> None:
        self._server, self._settings = server, settings

    def project_id(self) -> str:
        """Of the project that data sources are published to.

        Raises:
            ConfigError: there is none of that name, or there are several.
        """
        name = self._settings.project
        items, _ = self._server.projects.get(_named(name))
        found = [item for item in items if item.name == name]
        if len(found) != 1:
            raise ConfigError(
                "Tableau has no such project",
                where=self._server.server_address,
                got=f"{len(found)} projects named {name}",
                expected="one",
                remedy="make the project and let this login publish to it, or correct tableau.project of the context",
            )
        return str(found[0].id)

    def find(self, title: str, project_id: str) -> Published | None:
        """The published data source of that name; None if there is none."""
        found, _ = self._server.datasources.get(_named(title))
        return next((item for item in found if item.name == title and item.project_id == project_id), None)

    def found(self, title: str, project_id: str) -> Published:
        """The published data source of that name, which has to be there."""
        item = self.find(title, project_id)
        if item is None:
            raise FatalError("what was published is not there", where=self._server.server_address, got=title)
        return item

    def publish(self, title: str, project_id: str, text: str, login: tuple[str, str] | None, description: str) -> None:
        """Publishes the text of a .tds over what there is of that name.

        Args:
            login: user name and password for the warehouse that the server keeps; None: viewers are asked for theirs.
        """
        item = tsc.DatasourceItem(project_id, name=title)
        item.description = description
        credentials = None if login is None else tsc.ConnectionCredentials(*login, embed=True)
        mode = self._server.PublishMode.Overwrite
        self._server.datasources.publish(item, io.BytesIO(text.encode()), mode, credentials)

    def published(self, project_id: str) -> list[Published]:
        """What lies in the project and was published by iDiscover, by whatever environment."""
        items = tsc.Pager(self._server.datasources, tsc.RequestOptions(pagesize=1000))
        return [item for item in items if item.project_id == project_id and fingerprint_of(item) is not None]

    def remove(self, item: Published) -> None:
        """Removes a data source; workbooks on it stay, and show an error."""
        self._server.datasources.delete(str(item.id))

    def warning_of(self, item: Published) -> str | None:
        """What viewers of it are warned of, whoever has set it."""
        self._server.datasources.populate_dqw(item)
        return next((dqw.message or dqw.warning_type for dqw in item.dqws), None)

    def describe(self, item: Published, description: str, note: str, fingerprint: str, environment: str) -> None:
        """Certifies a data source, with its description, a note, the fingerprint of its text, and who has published it.

        Nothing is asked of Tableau where all of it is so.
        """
        kept = {tag for tag in item.tags if not tag.startswith(_TAG)}
        tags = {*kept, f"{_TAG}{fingerprint}", f"{_ENVIRONMENT_TAG}{environment}"}
        wanted = (description, True, note, tags)
        if (item.description, item.certified, item.certification_note, set(item.tags)) == wanted:
            return
        item.description, item.certified, item.certification_note, item.tags = wanted
        self._server.datasources.update(item)

    def warn(self, item: Published, text: str | None) -> None:
        """Shows viewers our warning of stale data, or takes it away. Warnings of people stay as they are."""
        self._server.datasources.populate_dqw(item)
        standing = next((dqw for dqw in item.dqws if (dqw.message or "").startswith(MARK)), None)
        if text is None:
            if standing is not None:
                self._server.datasources.delete_dqw(item)
            return
        warning = tsc.DQWItem(tsc.DQWItem.WarningType.STALE, text, active=True, severe=False)
        if standing is None and not item.dqws:
            self._server.datasources.add_dqw(item, warning)
        elif standing is not None and (standing.message, standing.active) != (text, True):
            self._server.datasources.update_dqw(item, warning)

    def refresh(self, item: Published) -> None:
        """Refreshes the extract, or makes one where there is none, and waits for it."""
        sources = self._server.datasources
        has_extract = str(item.has_extracts).lower() == "true"
        job = sources.refresh(item) if has_extract else sources.create_extract(item)
        if job is not None:  # None: one is queued already, and will read what is there now
            self._server.jobs.wait_for_job(job, timeout=self._settings.job_timeout_seconds)


def _named(name: str) -> tsc.RequestOptions:
    """Asks for what has this name. Not `.filter(name=…)`: that takes a refusal for an empty answer."""
    options = tsc.RequestOptions(pagesize=1000)
    options.filter.add(tsc.Filter(tsc.RequestOptions.Field.Name, tsc.RequestOptions.Operator.Equals, name))
    return options


def fingerprint_of(item: Published) -> str | None:
    """Of the text that a data source was published from; None: it was not published by iDiscover."""
    tags = [tag for tag in item.tags if tag.startswith(_TAG) and not tag.startswith(_ENVIRONMENT_TAG)]
    return tags[0].removeprefix(_TAG) if tags else None


def environment_of(item: Published) -> str | None:
    """The environment that has published it last; None: a version that did not tell, or nobody of ours."""
    return next((tag.removeprefix(_ENVIRONMENT_TAG) for tag in item.tags if tag.startswith(_ENVIRONMENT_TAG)), None)


@contextmanager
def tableau_site(secret: Mapping[str, str], settings: TableauSettings) -> Iterator[TableauSite]:
    """A site while signed in.

    Args:
        secret: server, token_name, token_value, and the site's content URL as `site` (none: the default site).

    Raises:
        ConfigError: the secret lacks a key or has no address, or Tableau refuses the login or a right.
        RetriableError: Tableau does not answer, is broken, or has ended the session: a personal access token has one
            session at a time, and signing in again ends the one before.
        NextRunError: an extract takes too long.
        FatalError: Tableau does not accept a request, or an extract could not be made.
    """
    if any(key not in secret for key in NEEDED):
        got = f"keys {', '.join(sorted(secret))}"
        raise ConfigError("Tableau's secret is incomplete", got=got, expected=f"{', '.join(NEEDED)}, perhaps site")
    where = _address(secret["server"])
    with _errors(where, [secret[key] for key in _SECRET if secret.get(key)]):
        server = tsc.Server(where, http_options={"timeout": settings.timeout_seconds})
        server.version = API_VERSION
        token = tsc.PersonalAccessTokenAuth(secret["token_name"], secret["token_value"], secret.get("site", ""))
        with server.auth.sign_in(token):
            yield TableauSite(server, settings)


def _address(server: str) -> str:
    """The server's address, for requests and messages.

    Raises:
        ConfigError: it is none, such as what a browser shows of a site (`https://…/#/site/…`).
    """
    try:
        parts = urlsplit(server)
        is_address = parts.hostname is not None and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none
        is_address = False
    if not is_address or parts.scheme != "https" or "@" in parts.netloc or parts.path.strip("/") or parts.fragment:
        raise ConfigError(
            "Tableau is asked over https only, at its server's address",
            got="an address with a login in it" if "@" in server else server,
            expected="https://<host>, without a path; the site has a key of its own",
            remedy="correct server in Tableau's secret",
        )
    return server.rstrip("/")


@contextmanager
def _errors(where: str, hidden: Sequence[str]) -> Iterator[None]:
    """The client's errors as the platform's, without the secrets in `hidden`."""
    try:
        yield
    except tableau_errors.NotSignedInError as error:
        if getattr(error, "code", "") == _SESSION_ENDED:
            remedy = "let nobody else sign in with this token: each sign-in ends the session before"
            raise RetriableError(
                "Tableau has ended the session", where=where, got=_told(error, hidden), remedy=remedy
            ) from None
        remedy = "correct the secret; a token that nobody used for 15 days has expired"
        raise ConfigError("Tableau refuses the login", where=where, got=_told(error, hidden), remedy=remedy) from None
    except tableau_errors.JobFailedException as error:
        raise FatalError("Tableau could not make an extract", where=where, got=_told(error, hidden)) from None
    except tableau_errors.ServerResponseError as error:
        if error.code.startswith("403"):
            remedy = "let this login publish to the project, and certify in it"
            raise ConfigError("Tableau refuses a right", where=where, got=_told(error, hidden), remedy=remedy) from None
        if error.code.startswith("429"):
            raise RetriableError("Tableau is busy", where=where, got=_told(error, hidden)) from None
        raise FatalError("Tableau does not accept a request", where=where, got=_told(error, hidden)) from None
    except TimeoutError as error:
        raise NextRunError("an extract in Tableau takes too long", where=where, got=_told(error, hidden)) from None
    except _UNANSWERED as error:
        raise RetriableError("Tableau does not answer", where=where, got=_told(error, hidden)) from None


def _told(error: Exception, hidden: Sequence[str]) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    for secret in hidden:
        text = text.replace(secret, "…")
    return text[:500]
