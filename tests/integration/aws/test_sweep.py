"""The sweep finds what no event woke anybody for, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from idiscover.aws import refresher
from idiscover.aws.job_metadata import JobMetadata, open_job_metadata
from idiscover.aws.job_metadata_steps import record_step
from idiscover.aws.sweep import due_dag_ids, refused_subjects
from idiscover.metadata.models import Owner
from idiscover.metadata.subjects import SubjectSpec
from idiscover.plan.model import LoadPlan, RefreshPlan
from idiscover.plan.tableau import subject_plan

from tests.support.aws_platform import Platform
from tests.support.aws_runs import DAY_0, Org, bring_in, extract, lab, load, midnight, refresh, scheduled_run, woken_run
from tests.unit.metadata_samples import sample_catalog

LAB_RUN = scheduled_run("sfdc_to_s3__lab", DAY_0)


def due(platform: Platform) -> list[str]:
    return due_dag_ids(plan for plan in platform.plans.values() if isinstance(plan, LoadPlan | RefreshPlan))


def test_nothing_is_due_where_nothing_happened(platform: Platform) -> None:
    assert due(platform) == [] == due_dag_ids([])


def test_each_step_of_the_way_is_due_once(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", LAB_RUN, [lab("L1", "DE")])
    assert due(platform) == ["s3_to_redshift__lab"]
    load(platform, "lab", woken_run("s3_to_redshift__lab", 1))
    assert due(platform) == ["stg_to_itg__lab"]
    refresh(platform, "itg.lab", woken_run("stg_to_itg__lab", 1))
    assert due(platform) == []  # itg.test waits for stg.test of that day


def test_an_empty_batch_is_due_too(platform: Platform, org: Org) -> None:
    extract(platform, org, "lab", LAB_RUN, [])
    assert due(platform) == ["s3_to_redshift__lab"]


def test_cut_offs_pass_by_the_orgs_clock(platform: Platform, org: Org) -> None:
    """No event comes of that: stg.test never arrives, and whoever reads any object next tells the time."""
    for name in ("lab", "unit"):
        bring_in(platform, org, name, DAY_0, [])
        refresh(platform, f"itg.{name}", woken_run(f"stg_to_itg__{name}", 1))
    for hours, expected in (
        (3.99, []),
        (4, ["itg_to_dm__fact_test"]),
        (5.99, ["itg_to_dm__fact_test"]),
        (6, ["itg_to_dm__fact_test", "stg_to_itg__test"]),
    ):
        now = midnight(DAY_0 + timedelta(days=1)) + timedelta(hours=hours)
        platform.job("update job.batch set read_at_utc = %s where object = 'unit'", now)
        assert due(platform) == expected


def test_what_a_dead_run_holds_is_due_when_its_lease_is_over(platform: Platform, org: Org) -> None:
    bring_in(platform, org, "lab", DAY_0, [lab("L1", "DE")])
    plan = platform.refresh("itg.lab")
    assert refresher.claim_slices(plan, woken_run("stg_to_itg__lab", 1)) == [["DE"]]
    assert due(platform) == []
    platform.job("update job.claim set expires_at_utc = now() - interval '1 second'")
    assert due(platform) == ["stg_to_itg__lab"]
    refresher.fail_refresh(plan, woken_run("stg_to_itg__lab", 1))
    assert due(platform) == ["stg_to_itg__lab"]


def fails(metadata: JobMetadata, number: int, state: str = "failed", step: str = "copy") -> None:
    record_step(metadata, woken_run("s3_to_redshift__lab", number), step, state, {})


def test_what_fails_every_time_rests_longer_each_time(platform: Platform, org: Org) -> None:
    """Or its owner would be mailed at every sweep."""
    extract(platform, org, "lab", LAB_RUN, [lab("L1", "DE")])

    def ago(minutes: int) -> None:
        platform.job("update job.step_log set written_at_utc = now() - %s * interval '1 minute'", minutes)

    with open_job_metadata(platform.context) as metadata:
        for tries, minutes in ((1, 5), (2, 10), (3, 20)):
            for _ in range(2):  # retries of one run are one failure
                fails(metadata, tries)
            ago(minutes - 1)
            assert due(platform) == []
            ago(minutes + 1)
            assert due(platform) == ["s3_to_redshift__lab"]
        fails(metadata, 99)
        assert due(platform) == []
        fails(metadata, 100, "succeeded", "end")
        assert due(platform) == ["s3_to_redshift__lab"]


def test_a_refused_load_wakes_the_subjects_that_are_made_of_its_table(platform: Platform) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=1)
    subject = SubjectSpec(
        subject="tests",
        title="Tests",
        description="Tests.",
        view="dm.v_fact_test",
        owner=Owner(name="Lab Team", email="labs@example.com"),
    )
    plan = subject_plan(subject, sample_catalog(), platform.context)
    assert refused_subjects([plan], begun) == [] == refused_subjects([], begun)
    for table, expected in (("dm.other", []), ("itg.test", ["publish_tableau_tests"])):
        platform.job(
            "with claim as (insert into job.claim (target, run_id, run_kind, order_date, as_of_date, state, statements,"
            " metadata_version, expires_at_utc) values (%s, 'r', 'manual', %s, %s, 'finished', '{}', '', now())"
            " returning claim_id)"
            " insert into job.check_result (claim_id, table_name, check_name, kind, severity, state, run_id,"
            " order_date, country_codes, failing_count, sample_keys)"
            " select claim_id, %s, 'unique_key', 'unique_key', 'fail', 'failed', 'r', %s, '{DE}', 1, '{T1}' from claim",
            *(table, DAY_0, DAY_0, table, DAY_0),
        )
        assert refused_subjects([plan], begun) == expected
    assert refused_subjects([plan], datetime.now(UTC) + timedelta(minutes=1)) == [], "an earlier sweep has seen it"
