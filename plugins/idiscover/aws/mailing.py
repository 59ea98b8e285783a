"""Mails of those who are no run of a plan's DAG."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from idiscover.aws.clients import aws_errors, client
from idiscover.metadata.models import Context
from idiscover.notify.mails import Mail, as_message

log = logging.getLogger(__name__)


def send_or_warn(mail: Mail, context: Context, to: Sequence[str]) -> str | None:
    """Sends `mail` to the environment's recipients and to `to`, each once. One that cannot be sent is no stop.

    Returns:
        What went wrong, in words; None if nothing did.
    """
    everybody = tuple(dict.fromkeys((*context.mail.recipients, *to)))
    try:
        with aws_errors("SES"):
            client("ses", context.region).send_raw_email(
                Source=context.mail.sender,
                Destinations=list(everybody),
                RawMessage={"Data": as_message(mail, context.mail.sender, everybody).as_bytes()},
            )
    except Exception as error:
        log.warning("the mail %r could not be sent", mail.subject, exc_info=True)
        return f"the mail {mail.subject!r} could not be sent: {error}"
    log.info("sent %r to %s", mail.subject, ", ".join(everybody))
    return None
