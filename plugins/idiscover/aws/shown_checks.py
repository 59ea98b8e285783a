"""Shows analysts what the checks of a refresh said, in the warehouse: job metadata are another database.

In a transaction of its own, behind that of the slices and before the task ends: a table that every refresh writes would
make them wait for one another, and lose races, if their own transactions wrote it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from psycopg2.extensions import cursor as Cursor

from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_checks import results_of_claim
from idiscover.aws.job_metadata_claims import Claim
from idiscover.aws.redshift import run_transaction
from idiscover.errors import IdiscoverError
from idiscover.plan.model import RefreshPlan
from idiscover.warehouse.check_results import COLUMNS, DELETE, TABLE, insert

log = logging.getLogger(__name__)
_TRIES = 5
_COUNTRY = list(COLUMNS).index("country_code")


def show_check_results(plan: RefreshPlan, claim: Claim, countries: Collection[str]) -> None:
    """Replaces what is shown of those of these countries that the checks of this claim were asked of.

    A country whose call failed before its checks keeps what its last ones said. What cannot be written is a warning in
    the task's log, and no stop: mails, `idiscover status` and Tableau's warnings go by the job metadata.
    """
    try:
        with open_job_metadata(plan.context) as metadata:
            found = results_of_claim(metadata, claim.claim_id)
        rows = [
            (
                *(plan.table, item.check.name, item.country_code, item.check.kind, item.check.severity),
                *(not item.check.has_failed, item.check.failing_count, item.order_date, item.checked_at_utc),
            )
            for item in found
            if item.country_code in countries
        ]
        if rows:
            _replace(plan, rows)
    except IdiscoverError:
        log.warning("%s: analysts do not see in %s what the checks said", plan.table, TABLE, exc_info=True)


def _replace(plan: RefreshPlan, rows: Sequence[Sequence[object]]) -> None:
    """Writes the rows, in the order of the table's columns, over all that is shown of their countries."""
    asked = tuple(sorted({str(row[_COUNTRY]) for row in rows}))

    def write(cursor: Cursor) -> None:
        cursor.execute(DELETE, [plan.table, asked])
        cursor.execute(*insert(rows))

    run_transaction(plan.context.secrets.redshift, plan.context.region, write, _TRIES)
