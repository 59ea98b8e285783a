"""Runs that are not the day's: manual ones, backfills, empty batches; and a country that nobody had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from idiscover.aws import refresher
from idiscover.aws.dry_runs import preview
from idiscover.aws.job_metadata import open_job_metadata
from idiscover.aws.job_metadata_windows import watermark
from idiscover.aws.s3 import Bucket
from idiscover.aws.schema_drift import check_schema
from idiscover.errors import ConfigError, RetriableError
from idiscover.lake.keys import schema_key
from idiscover.plan.model import ReadMode, RunIdentity

from tests.support.chain_fixtures import beginning
from tests.support.direct_chain import DirectChain
from tests.support.direct_figures import differences, work
from tests.support.direct_stack import DirectStack
from tests.support.direct_watch import Caused, watching

# All that is computed from accounts and testing volumes.
TABLES = ["dm.dm_testing_uptake"]
ACCOUNT, LABS, VOLUME = "itg.account", "dm.dim_lab", "itg.testing_volume"


@pytest.fixture(scope="module")
def at_rest(started_stack: DirectStack) -> Iterator[list[DirectChain]]:
    """The chain that the tests share, while none of them has left it with something undone."""
    with beginning(started_stack) as begin_chain:
        chain = begin_chain(TABLES)
        chain.run_day()
        yield [chain]


@pytest.fixture
def chain(at_rest: list[DirectChain]) -> Iterator[DirectChain]:
    """A chain on some day of its org, with nothing left to do; afterwards, too, and exact."""
    chain = at_rest.pop()
    yield chain
    assert chain.pending() == []
    assert differences(chain) == []
    at_rest.append(chain)


def downstream(chain: DirectChain, table: str) -> set[str]:
    """The table and all that is computed from it, directly or not."""
    found = {table}
    for consumer in chain.refresh_plan(table).consumers:
        found |= downstream(chain, consumer.table)
    return found


def assert_only_stale_slices_called(chain: DirectChain, caused: Caused) -> None:
    """Countries of a dm table are called only where a slice of an input changed in itg, or was replaced in dm."""
    for table in (name for name in chain.tables if name.startswith("dm.")):
        inputs = chain.catalog.tables[table].inputs
        stale = {item.table: caused.called.get(item.table, set()) for item in inputs}
        stale |= {name: caused.changed[name] for name in stale if name.startswith("itg.")}
        everything = any(item.marks == "all" and "ZZ" in stale[item.table] for item in inputs)
        assert everything or caused.called.get(table, set()) <= set().union(*stale.values()), table


def watermark_of(chain: DirectChain, name: str) -> datetime:
    """Up to where an object has been read."""
    with open_job_metadata(chain.stack.context) as metadata:
        found = watermark(metadata, name)
    assert found is not None
    return found


def midnight(day: date) -> datetime:
    """The day's first instant."""
    return datetime.combine(day, time(), UTC)


def test_a_manual_run_reads_up_to_now_and_refreshes_what_changed_once(chain: DirectChain) -> None:
    chain.advance()
    today = chain.stack.org.now().date()
    with watching(chain) as caused:
        manifest = chain.extract("account", chain.manual("account"))
        chain.settle()

    assert manifest.run_kind == "manual"
    assert manifest.rows > 0
    assert manifest.window_start_utc < midnight(today)
    assert midnight(today) < manifest.window_end_utc <= chain.stack.org.now()
    assert watermark_of(chain, "account") == manifest.window_end_utc
    assert caused.refreshes == {(table, "manual", today): 1 for table in downstream(chain, ACCOUNT)}
    assert caused.changed[ACCOUNT]
    assert caused.called[LABS] == caused.changed[ACCOUNT]
    assert_only_stale_slices_called(chain, caused)
    assert differences(chain) == []

    with watching(chain) as scheduled:
        order_date = chain.run_day()
    assert scheduled.refreshes == {(table, "scheduled", order_date): 1 for table in chain.tables}


def test_a_manual_run_of_a_window_reads_that_window_alone(chain: DirectChain) -> None:
    day = chain.advance(3)
    before = watermark_of(chain, "account")
    noon = midnight(day) + timedelta(hours=12)
    with watching(chain) as caused:
        manifest = chain.extract("account", chain.manual("account", (noon, noon + timedelta(hours=4))))
        chain.settle()

    rows = chain.stack.warehouse(
        "select count(*) from itg.account where _batch_id = %s and system_modstamp >= %s and system_modstamp < %s",
        manifest.batch_id,
        noon.replace(tzinfo=None),
        (noon + timedelta(hours=4)).replace(tzinfo=None),
    )
    assert rows == [(manifest.rows,)]
    assert manifest.rows > 0
    assert watermark_of(chain, "account") == before, "a window past the watermark leaves it where it is"
    assert caused.tables == downstream(chain, ACCOUNT)
    chain.run_day()
    assert watermark_of(chain, "account") == midnight(day + timedelta(days=1))


def test_a_backfill_of_a_past_day_finds_what_newer_batches_have_brought(chain: DirectChain) -> None:
    past = chain.advance()
    for _ in range(2):
        chain.run_day()
        chain.advance()
    chain.run_day()
    so_far, before = work(chain), watermark_of(chain, "testing_volume")
    with watching(chain) as caused:
        manifest = chain.extract("testing_volume", chain.backfill("testing_volume", past))
        chain.settle()

    done = work(chain) - so_far
    assert manifest.rows > 0
    assert done.query_jobs == 1
    assert (done.ids["inserted"], done.ids["updated"]) == (0, 0)
    assert done.ids["unchanged"] == manifest.rows, "read again, and the same: only the read's time moves"
    assert caused.refreshes == {(table, "backfill", past): 1 for table in downstream(chain, VOLUME)}
    assert set(caused.called) == {VOLUME}, "nothing changed, so no mart is called"
    assert not any(caused.changed.values())
    assert watermark_of(chain, "testing_volume") == before

    chain.advance()
    with watching(chain) as scheduled:
        order_date = chain.run_day()
    assert scheduled.refreshes == {(table, "scheduled", order_date): 1 for table in chain.tables}


def test_backfills_that_overlap_take_turns_and_are_refreshed_together(chain: DirectChain) -> None:
    first = chain.order_date()
    chain.advance(3)
    earlier, later = chain.backfill("account", first, 3), chain.backfill("account", first + timedelta(days=1), 2)
    chain.read("account", earlier)
    with pytest.raises(RetriableError, match="another run reads an overlapping window"):
        chain.extract("account", later)
    with watching(chain) as caused:
        batches = [chain.register("account", earlier), chain.extract("account", later)]
        chain.settle()

    assert [batch.rows > 0 for batch in batches] == [True, True]
    [(copied,)] = chain.stack.job(
        "select count(distinct document ->> 'copied') from job.step_log where step = 'copy' and document -> 'copied'"
        " @> to_jsonb(array[%s, %s]::text[])",
        *(batch.batch_id for batch in batches),
    )
    assert copied == 1, "one COPY takes both"
    kinds = {(kind, day) for _, kind, day in caused.refreshes}
    assert kinds == {("backfill", first + timedelta(days=1))}, "one claim takes both order dates"
    assert caused.refreshes == {(table, *next(iter(kinds))): 1 for table in downstream(chain, ACCOUNT)}
    assert_only_stale_slices_called(chain, caused)
    chain.run_day()


@pytest.mark.parametrize("days_from_now", [1, -1000])
def test_an_empty_batch_arrives_and_nothing_is_called(chain: DirectChain, days_from_now: int) -> None:
    """A window that ends before it starts spends no query job; one in which nothing lies spends one."""
    day = chain.stack.org.now().date() + timedelta(days=days_from_now)
    so_far = work(chain)
    with watching(chain) as caused:
        manifest = chain.extract("account", chain.backfill("account", day))
        chain.settle()

    assert manifest.rows == 0
    assert (work(chain) - so_far).query_jobs == (0 if days_from_now > 0 else 1)
    assert caused.refreshes == {(table, "backfill", day): 1 for table in downstream(chain, ACCOUNT)}
    assert caused.called == {}
    assert not any(caused.changed.values())
    [(state,)] = chain.stack.job("select state from job.batch where batch_id = %s", manifest.batch_id)
    assert state == "archived"


def test_a_lab_in_a_country_that_nobody_had(chain: DirectChain) -> None:
    lab = chain.stack.org.change_future("Account", "Country_Code__c", "NZ")
    [(old,)] = chain.stack.warehouse("select _country_code from itg.account where id = %s", lab)
    day = chain.order_date()
    while chain.stack.warehouse("select _country_code from itg.account where id = %s", lab) == [(old,)]:
        day = chain.advance()
        with watching(chain) as caused:
            chain.run_day()

    assert chain.stack.warehouse("select _country_code from itg.account where id = %s", lab) == [("NZ",)]
    children = chain.stack.warehouse("select distinct _country_code from itg.testing_volume where lab_id = %s", lab)
    assert children == [("NZ",)], "its volumes were not touched in the org, and have come along"
    for table in (ACCOUNT, VOLUME, LABS, "dm.fact_testing_volume", "dm.dm_testing_uptake"):
        assert "NZ" in caused.called[table], table
    assert all(caused.refreshes[table, "scheduled", day] == 1 for table in chain.tables)
    joined = chain.stack.job("select units from job.claim where target = %s order by claim_id desc limit 1", LABS)
    assert any({"NZ", old} <= set(unit) for unit in joined[0][0]), "both countries in one transaction"


def test_a_late_object_is_waited_for_and_the_day_is_refreshed_once(chain: DirectChain) -> None:
    day = chain.advance()
    with watching(chain) as early:
        for name in set(chain.objects) - {"testing_volume"}:
            chain.extract(name)
        chain.settle()
    assert VOLUME not in early.tables
    assert "dm.dm_testing_uptake" not in early.tables
    assert chain.pending() != []

    with watching(chain) as late:
        chain.extract("testing_volume")
        chain.settle()
    assert early.tables | late.tables == set(chain.tables)
    assert early.tables.isdisjoint(late.tables)
    assert all(late.refreshes[table, "scheduled", day] == 1 for table in late.tables)


def test_a_missed_day_is_caught_up_by_the_next(chain: DirectChain) -> None:
    chain.advance(2)  # the first of the two is never run
    with watching(chain) as caused:
        order_date = chain.run_day()
    assert caused.refreshes == {(table, "scheduled", order_date): 1 for table in chain.tables}


def asked(run: RunIdentity, **parameters: object) -> RunIdentity:
    """The run with what a person gives in the trigger form."""
    return run.model_copy(update=parameters)


def live_ids(chain: DirectChain, table: str, column: str) -> set[str]:
    """What analysts see of a table's records."""
    return {key for (key,) in chain.stack.warehouse(f"select {column} from {table}")}


def test_a_manual_whole_read_is_the_daily_whole_read_and_shows_no_hole(chain: DirectChain) -> None:
    chain.advance()
    run = asked(chain.manual("account"), mode="full", reason="incident 4711")
    manifest = chain.extract("account", run)
    assert (manifest.read_mode, manifest.reason) == (ReadMode.WHOLE, "incident 4711")
    assert manifest.rows == len(chain.stack.org.records("Account")) == manifest.id_count
    assert manifest.absence_at_utc is not None
    assert watermark_of(chain, "account") == manifest.window_end_utc, "a whole read moves it as the daily one does"
    [(reason,)] = chain.stack.job("select reason from job.batch where batch_id = %s", manifest.batch_id)
    assert reason == "incident 4711"

    chain.load("account")
    before = {table: live_ids(chain, table, column) for table, column in ((ACCOUNT, "id"), (LABS, "lab_id"))}
    here = {record["Id"] for record in chain.stack.org.records("Account")}
    for table, column in ((ACCOUNT, "id"), (LABS, "lab_id")):
        chain.woken.discard(chain.refresh_plan(table).header.dag_id)
        plan, woken = chain.refresh_plan(table), chain.woken_run(chain.refresh_plan(table).header.dag_id)
        units = refresher.claim_slices(plan, woken)
        assert units
        for unit in units:
            refresher.call_unit(plan, woken, unit)  # a commit
            assert live_ids(chain, table, column) >= before[table] & here, f"a hole in {table} after {unit}"
        refresher.finish_refresh(plan, woken)
        chain.woken.update(chain.due())
    chain.settle()
    assert differences(chain) == []


def test_a_read_of_some_countries_leaves_the_watermark_and_says_nothing_of_absence(chain: DirectChain) -> None:
    codes = {record["Country_Code__c"] for record in chain.stack.org.records("Account")}
    wanted = tuple(sorted(codes & {"DE", "FR", "GB", "IT", "US"}))
    chain.advance(5)
    before = watermark_of(chain, "account")
    with watching(chain) as caused:
        manifest = chain.extract("account", asked(chain.manual("account"), countries=wanted))
        chain.settle()

    assert (manifest.read_mode, manifest.countries, manifest.absence_at_utc) == (ReadMode.WINDOW, wanted, None)
    start, end = manifest.window_start_utc, manifest.window_end_utc
    in_window = [
        record["Id"]
        for record in chain.stack.org.records("Account")
        if record["Country_Code__c"] in wanted
        and start <= datetime.fromisoformat(str(record["SystemModstamp"])).astimezone(UTC) < end
    ]
    assert manifest.rows == len(in_window) > 0
    assert live_ids(chain, f"{ACCOUNT} where _batch_id = '{manifest.batch_id}'", "id") == set(in_window)
    assert watermark_of(chain, "account") == before, "the other countries have not been read"
    assert caused.changed[ACCOUNT] >= caused.called[ACCOUNT] & set(wanted)
    assert differences(chain) == [], "itg has what was read, and nothing else"
    chain.run_day()
    assert watermark_of(chain, "account") > before


def test_countries_are_refused_where_salesforce_does_not_know_them(chain: DirectChain) -> None:
    with pytest.raises(ConfigError, match="trigger stg_to_itg__testing_volume with countries"):
        chain.extract("testing_volume", asked(chain.manual("testing_volume"), countries=("DE",)))
    assert chain.stack.job("select 1 from job.run_window where object = 'testing_volume' and countries <> '{}'") == []


def traces(chain: DirectChain) -> dict[str, object]:
    """What whatever is frozen, locked, registered, claimed, called or written would change."""
    tables = ("run_window", "watermark", "batch", "claim", "claim_call", "input_arrival", "slice_mark", "step_log")
    rows = {table: chain.stack.job(f"select count(*), max(t::text) from job.{table} as t") for table in tables}
    stg = chain.stack.warehouse("select count(*), max(batch_id) from stg.batch_load")
    return {**rows, "stg": stg, "keys": chain.bucket.list(""), "query jobs": work(chain).query_jobs}


def test_a_dry_run_foretells_the_run_and_does_nothing(chain: DirectChain) -> None:
    chain.advance()
    run, plan = chain.manual("account"), chain.extraction_plan("account")
    untouched = traces(chain)
    foretold = preview(plan, asked(run, dry_run=True))
    assert traces(chain) == untouched
    manifest = chain.extract("account", run)
    rows, ids = (query["count"] for query in foretold["queries"])
    assert (rows, ids) == (manifest.rows, manifest.id_count)
    assert foretold["batch_id"] == manifest.batch_id
    assert foretold["window_start_utc"] == manifest.window_start_utc.isoformat()
    assert foretold["watermark_after_utc"] == foretold["window_end_utc"] <= watermark_of(chain, "account").isoformat()
    assert foretold["keys"][1] == f"source/account/{manifest.batch_id}/manifest.json"

    load, untouched = chain.load_plan("account"), traces(chain)
    foretold = preview(load, asked(chain.woken_run(load.header.dag_id), dry_run=True))
    assert traces(chain) == untouched
    assert [(batch["batch_id"], batch["rows"]) for batch in foretold["batches"]] == [(manifest.batch_id, manifest.rows)]
    chain.load("account")
    for table in (ACCOUNT, LABS):
        refresh, untouched = chain.refresh_plan(table), traces(chain)
        foretold = preview(refresh, asked(chain.woken_run(refresh.header.dag_id), dry_run=True))
        assert traces(chain) == untouched
        done = chain.refresh(table)
        assert done is not None and foretold["units"] == done["units"] != []
    chain.settle()
    foretold = preview(chain.refresh_plan(LABS), asked(chain.woken_run("x"), dry_run=True))
    assert foretold["units"] == [] and "nothing is ready" in foretold["summary"]


def test_the_org_is_looked_at_before_it_is_read(chain: DirectChain) -> None:
    """The first look is kept; a field that the metadata does not have any more is new at the next one."""
    plan = chain.extraction_plan("product")
    assert check_schema(plan).news == ()
    bucket, key = Bucket(plan.context.buckets.data, plan.context.region), schema_key("product")
    seen = json.loads(bucket.read_text(key))
    assert {column.salesforce for column in plan.columns} <= set(seen)
    without = plan.model_copy(update={"columns": tuple(c for c in plan.columns if c.salesforce != "Name")})
    bucket.write_text(key, json.dumps({name: shape for name, shape in seen.items() if name != "Name"}))
    assert [line.split()[0] for line in check_schema(without).news] == ["Name"]
    assert check_schema(without).news == (), "told once"
    renamed = tuple(c.model_copy(update={"salesforce": c.salesforce.replace("Name", "Names")}) for c in plan.columns)
    with pytest.raises(ConfigError, match="Names is missing, perhaps renamed to Name"):
        check_schema(plan.model_copy(update={"columns": renamed}))


def test_a_person_refreshes_the_slices_that_they_name(chain: DirectChain) -> None:
    country, other = "DE", "US"
    chain.stack.warehouse("delete from dm.dim_lab where country_code in (%s, %s)", country, other)
    run = asked(chain.woken_run("itg_to_dm__dim_lab"), run_type="manual", countries=(country,), reason="a hole")
    with watching(chain) as caused:
        assert preview(chain.refresh_plan(LABS), run)["units"] == [[country]]
        chain.refresh(LABS, run)
        chain.settle()
    assert caused.called[LABS] == caused.changed[LABS] == {country}
    assert LABS in caused.tables and "dm.dm_testing_uptake" in caused.tables, "what is computed from it comes after"
    chain.refresh(LABS, asked(chain.woken_run("itg_to_dm__dim_lab"), countries=(other,)))
    chain.settle()
