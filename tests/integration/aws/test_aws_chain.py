"""Two days through all three families, and what of them stands where at the end."""

from __future__ import annotations

from datetime import timedelta

from idiscover.aws.sweep import due_dag_ids

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, assay, bring_in, lab, refresh, unit, woken_run


def test_two_days_go_through(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE"), lab("L2", "FR"), lab("L3", None)])
    bring_in(platform, org, "test", DAY_0, [assay("T1", "L1"), assay("T2", "L2"), assay("T3", "L9")])
    bring_in(platform, org, "unit", DAY_0, [unit("U1")])
    for number, table in enumerate(("itg.lab", "itg.test", "itg.unit", "dm.fact_test")):
        result = refresh(platform, table, woken_run(table, number))
        assert result is not None and result["order_date"] == DAY_0.isoformat()
    facts = platform.warehouse("select country_code, test_id, units, _as_of_date from dm.fact_test order by test_id")
    assert facts == [("DE", "T1", 1, DAY_0), ("FR", "T2", 1, DAY_0), ("ZZ", "T3", 1, DAY_0)]
    assert platform.job("select distinct state from job.batch") == [("archived",)]
    assert platform.warehouse("select count(*) from stg.lab") == [(0,)]
    assert due_dag_ids([plan for plan in platform.plans.values() if plan.kind != "extraction"]) == []

    # the next day, a lab moves: its tests move along, and both countries are one unit of dm
    day = DAY_0 + timedelta(days=1)
    org.now += timedelta(days=1)
    bring_in(platform, org, "lab", day, [lab("L1", "FR", version=60)])
    for name in ("test", "unit"):
        bring_in(platform, org, name, day, [])
    for table in ("itg.lab", "itg.test", "itg.unit"):
        assert refresh(platform, table, woken_run(table, 10)) is not None
    result = refresh(platform, "dm.fact_test", woken_run("dm.fact_test", 10))
    assert result is not None and result["units"] == [["DE", "FR"]]
    facts = platform.warehouse("select country_code, test_id from dm.fact_test order by test_id")
    assert facts == [("FR", "T1"), ("FR", "T2"), ("ZZ", "T3")]
