"""A person leaves the whole chain, marts and all, and the org that still has them does not bring them back."""

from __future__ import annotations

from idiscover.aws.erasure import ErasureRequest, erase, search
from idiscover.aws.erasure_tables import Ids

from tests.support.chain_fixtures import Begin
from tests.support.direct_chain import DirectChain

TABLES = ["dm.bridge_lab_hcp", "dm.bridge_objective_hcp", "dm.fact_interaction", "dm.dim_hcp"]


class Runs:
    """An Airflow whose runs are through at once."""

    def __init__(self, chain: DirectChain) -> None:
        self.chain = chain

    def obstacle(self, dag_id: str) -> str | None:
        return None

    def start(self, dag_id: str) -> str:
        self.chain.run_consumer(dag_id)
        return dag_id

    def state(self, dag_id: str, run_id: str) -> str | None:
        return "success"


def request_of(chain: DirectChain, record_id: str) -> ErasureRequest:
    context, ids = chain.stack.context, Ids((record_id,))
    return ErasureRequest(context, chain.plans, ids, lambda _line: None, Runs(chain), pause=lambda _seconds: None)


def test_a_person_is_gone_and_stays_gone(begin: Begin) -> None:
    chain = begin(TABLES)
    day = chain.run_day()
    ask = chain.stack.warehouse
    [(person, affiliations)] = ask(
        "select hcp_id, count(*) from itg.lab_hcp_affiliation where is_deleted is not true and hcp_id is not null"
        " group by hcp_id order by 2 desc, 1 limit 1"
    )
    before = {table: ask(f"select count(*) from {table}")[0][0] for table in TABLES}
    unknown = "select count(*) from dm.bridge_lab_hcp where hcp_key = 'UNKNOWN'"
    [(unknown_before,)] = ask(unknown)
    request = request_of(chain, person)
    found = search(request).counts
    assert {"itg.account", "itg.lab_hcp_affiliation", "dm.dim_hcp", "dm.bridge_lab_hcp"} <= set(found)
    assert erase(request, "somebody", None).is_empty
    # the relations are still counted; whose they are, nobody knows
    assert ask(unknown) == [(unknown_before + affiliations,)]
    after = {table: ask(f"select count(*) from {table}")[0][0] for table in TABLES}
    assert after == {**before, "dm.dim_hcp": before["dm.dim_hcp"] - found["dm.dim_hcp"]}
    # the org has the person still: a read of everything leaves them out, and every count agrees
    manifest = chain.extract("account", chain.manual("account"))
    backfill = chain.extract("account", chain.backfill("account", day.replace(year=2015), 365 * 20))
    assert backfill.counts.suppressed == 1 and backfill.counts.job_rows == backfill.rows + 1
    assert manifest.counts.job_rows == manifest.rows + manifest.counts.suppressed
    chain.settle()
    chain.advance()
    chain.run_day()
    assert search(request).is_empty
    assert chain.pending() == []
