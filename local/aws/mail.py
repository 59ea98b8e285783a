"""The inbox: every e-mail that SES accepted, in order, with the time it was accepted."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any

from moto.ses.models import SESBackend, ses_backends
from moto.ses.responses import EmailResponse

from local.aws.determinism import utcnow


@dataclass
class Mail:
    """One accepted e-mail. `to` holds every recipient; `text` and `html` are None where there is no such part."""

    message_id: str
    sent_at: dt.datetime
    sender: str
    to: list[str]
    subject: str
    text: str | None
    html: str | None

    def as_json(self) -> dict[str, Any]:
        """With the time as ISO 8601 in UTC, and `from` as the key of the sender."""
        plain = asdict(self)
        plain["sent_at"] = self.sent_at.replace(tzinfo=dt.UTC).isoformat()
        plain["from"] = plain.pop("sender")
        return plain


def inbox() -> list[Mail]:
    """All mails of all accounts and regions, oldest first."""
    mails: list[Mail] = []
    for _account, _region, backend in ses_backends.iter_backends():
        mails.extend(backend.__dict__.get("accepted_mails", []))
    return sorted(mails, key=lambda mail: mail.sent_at)


def _keep(backend: SESBackend, mail: Mail) -> None:
    backend.__dict__.setdefault("accepted_mails", []).append(mail)


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    return None if part is None else str(part.get_content())


def _header(message: EmailMessage, name: str) -> str:
    # A header that cannot be parsed is still worth showing as it came.
    try:
        return str(message[name] or "")
    except (ValueError, AttributeError, IndexError):
        return next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")


def from_raw(message_id: str, source: str | None, to: list[str], raw: str, at: dt.datetime) -> Mail:
    """Parse a MIME message."""
    message = email.message_from_string(raw, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError(f"a MIME message was expected, got {type(message).__name__}")
    sender = _header(message, "From") or source or ""
    recipients = list(dict.fromkeys(to))
    text, html = _part(message, "plain"), _part(message, "html")
    return Mail(message_id, at, sender, recipients, _header(message, "Subject"), text, html)


_plain_send_email = SESBackend.send_email
_plain_send_raw_email = SESBackend.send_raw_email
_plain_response_send_email = EmailResponse.send_email


def _send_email(self: SESBackend, source: str, subject: str, body: str, destinations: dict[str, list[str]]) -> Any:
    message = _plain_send_email(self, source, subject, body, destinations)
    to = [address for addresses in destinations.values() for address in addresses]
    looks_html = (body or "").lstrip().startswith("<")
    text, html = (None, body) if looks_html else (body, None)
    _keep(self, Mail(message.id, utcnow(), source, to, subject or "", text, html))
    return message


def _send_raw_email(self: SESBackend, source: str, destinations: list[str], raw_data: str) -> Any:
    message = _plain_send_raw_email(self, source, destinations, raw_data)
    _keep(self, from_raw(message.id, source, message.destinations, raw_data, utcnow()))
    return message


def _response_send_email(self: Any) -> Any:
    """moto passes on one body only; the request has both."""
    result = _plain_response_send_email(self)
    mail = self.backend.__dict__["accepted_mails"][-1]
    mail.text = self._get_param("Message.Body.Text.Data")
    mail.html = self._get_param("Message.Body.Html.Data")
    return result


def install() -> None:
    """Note every mail that moto's SES (v1 and v2) accepts. Call once, before any request is served."""
    SESBackend.send_email = _send_email  # type: ignore[method-assign]
    SESBackend.send_raw_email = _send_raw_email  # type: ignore[method-assign]
    EmailResponse.send_email = _response_send_email  # type: ignore[method-assign]
