"""`idiscover replay`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from idiscover.cli.app import DEFAULT_CONTEXT, ContextOption, DryRunOption, app

_DAY = ["%Y-%m-%d"]


@app.command()
def replay(
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="As metadata/objects/ names it.")],
    batch: Annotated[
        list[str] | None, typer.Option("--batch", metavar="ID", help="This batch; may be repeated.")
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=_DAY, help="Batches of this order date and later ones, up to --to."),
    ] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="The last order date, included.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Stands in job.replay and in the run's note.")] = None,
    context: ContextOption = DEFAULT_CONTEXT,
    dry_run: DryRunOption = False,
) -> None:
    """Send archived batches of an object through stg and itg once more.

    The batches become pending again, and the object's load is started; itg and the marts follow by themselves. Replays
    are harmless in any order: the newest version of a record wins. Batches that are not archived are on their way, and
    left alone. Killed anywhere, say it again.
    """
    from idiscover.aws.replay import batches_to_replay, require_archived_columns
    from idiscover.aws.replay import replay as make_pending
    from idiscover.cli.deployed import Waker, open_deployed, requester, wake
    from idiscover.cli.windows import require_both_ends

    require_both_ends(first, last)
    plan = open_deployed(context).load_of(object_name)
    chosen = batches_to_replay(plan, batch or (), _days(first, last))
    if dry_run:
        require_archived_columns(plan, chosen)
        for row in chosen:
            typer.echo(f"{row.batch_id}: {row.state}, {row.rows:,} rows, {row.bytes:,} bytes of {row.order_date}")
        archived = sum(row.state == "archived" for row in chosen)
        typer.echo(f"{archived} of {len(chosen)} would be made pending, and {plan.header.dag_id} be started")
        return
    replayed = make_pending(plan, chosen, reason, requester(), typer.echo)
    typer.echo(f"{len(replayed)} of {len(chosen)} batches made pending")
    wake(Waker(plan.context, "replay", reason), [plan.header.dag_id], typer.echo)


def _days(first: datetime | None, last: datetime | None) -> tuple[date, date] | None:
    return None if first is None or last is None else (first.date(), last.date())
