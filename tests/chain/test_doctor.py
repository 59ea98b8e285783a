"""`idiscover doctor` against real stores and the org's simulator, whole and with one fault at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from idiscover.aws import probes
from idiscover.aws.airflow_rest import AirflowRest
from idiscover.aws.dag_files import GENERATED_PREFIX
from idiscover.cli.doctor import command, machine, services
from idiscover.cli.doctor.checks import Finding, Outcome, run_checks
from idiscover.cli.doctor.command import all_checks, run_doctor
from idiscover.plan.build import build_plans
from idiscover.plan.dag_files import render_dag_files
from idiscover.plan.sweep import SWEEP_DAG_ID

from tests.support.aws_platform import aws_client, run_statement
from tests.support.chain_fixtures import SCALE, SEED
from tests.support.direct_stack import CONTEXT_FILE, REPOSITORY, DirectStack
from tests.support.tableau_server import SITE, TOKEN_NAME, TOKEN_VALUE, running_tableau


class Airflow:
    """Airflow as an environment that is well answers; attributes are what a fault changes."""

    def __init__(self, stack: DirectStack) -> None:
        plans = build_plans(stack.catalog, stack.context, "0" * 40)
        self.dags = {plan.header.dag_id for plan in plans} | {SWEEP_DAG_ID}
        self.errors: list[dict[str, Any]] = []
        self.pools = {name: slots for plan in plans for name, slots in plan.header.pools.items()}

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Answers in the place of `InvokeRestApi`, which moto does not know."""
        patch.setattr(AirflowRest, "dag_ids", lambda _: set(self.dags))
        patch.setattr(AirflowRest, "import_errors", lambda _: list(self.errors))
        pages = [{"name": name, "slots": slots} for name, slots in self.pools.items()]
        patch.setattr(AirflowRest, "pages", lambda *_: iter(pages))
        patch.setattr(AirflowRest, "dag_details", lambda *_: {"is_paused": False})
        patch.setattr(AirflowRest, "call", lambda *_, **__: {"dag_runs": []})


@pytest.fixture(scope="module")
def stack(started_stack: DirectStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectStack]:
    """All stores, an org, Tableau, and an environment as a deploy leaves it; nobody has run anything."""
    folder = tmp_path_factory.mktemp("tableau")
    with running_tableau(folder) as (address, authority, _), pytest.MonkeyPatch.context() as patch:
        for name, value in started_stack.environment().items():
            patch.setenv(name, value)
        both = folder / "both.pem"
        both.write_bytes(started_stack.org.ca_file.read_bytes() + authority.read_bytes())
        patch.setenv("REQUESTS_CA_BUNDLE", str(both))
        started_stack.empty(SEED, SCALE)
        secret = {"server": address, "token_name": TOKEN_NAME, "token_value": TOKEN_VALUE, "site": SITE}
        _put_secret(started_stack, str(started_stack.context.secrets.tableau), secret)
        s3 = aws_client(started_stack.aws_endpoint, "s3")
        bucket = started_stack.context.buckets.dags
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        plans = build_plans(started_stack.catalog, started_stack.context, "0" * 40)
        for name, text in render_dag_files(plans).items():
            if name.endswith(".json"):
                s3.put_object(Bucket=bucket, Key=f"{GENERATED_PREFIX}{name}", Body=text.encode())
        ses = aws_client(started_stack.aws_endpoint, "ses")
        ses.verify_email_identity(EmailAddress=started_stack.context.mail.sender)
        yield started_stack


@pytest.fixture(autouse=True)
def well(stack: DirectStack, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """What moto cannot answer is as it should be."""
    # moto's EMR has no DescribeReleaseLabel
    monkeypatch.setattr(probes, "has_release_label", lambda label, _: label == "emr-spark-8.0.0")
    airflow = Airflow(stack)
    airflow.install(monkeypatch)
    return airflow


def findings(stack: DirectStack, *names: str, root: Path = REPOSITORY) -> list[Finding]:
    """What the checks of these names find."""
    checks = [check for check in all_checks(stack.context, root) if check.name in names]
    assert {check.name for check in checks} == set(names)
    return list(run_checks(checks))


def failures(stack: DirectStack, *names: str) -> list[tuple[str, str]]:
    """Found and remedy of what fails."""
    return [(item.found, str(item.remedy)) for item in findings(stack, *names) if item.outcome is Outcome.FAIL]


def _put_secret(stack: DirectStack, name: str, value: object) -> None:
    manager = aws_client(stack.aws_endpoint, "secretsmanager")
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        manager.put_secret_value(SecretId=name, SecretString=text)
    except manager.exceptions.ResourceNotFoundException:
        manager.create_secret(Name=name, SecretString=text)


Spoil = Callable[..., None]


@pytest.fixture
def spoil(stack: DirectStack) -> Iterator[Spoil]:
    """Writes other fields into a secret; None takes one away. As it was after the test."""
    manager = aws_client(stack.aws_endpoint, "secretsmanager")
    before: dict[str, str] = {}

    def change(name: str, **fields: str | None) -> None:
        before.setdefault(name, manager.get_secret_value(SecretId=name)["SecretString"])
        value = {**json.loads(before[name]), **fields}
        _put_secret(stack, name, {key: item for key, item in value.items() if item is not None})

    yield change
    for name, text in before.items():
        _put_secret(stack, name, text)


def keys(stack: DirectStack) -> set[str]:
    """Every key of the data bucket."""
    answer = aws_client(stack.aws_endpoint, "s3").list_objects_v2(Bucket=stack.context.buckets.data)
    return {item["Key"] for item in answer.get("Contents", [])}


def test_what_nobody_publishes_and_a_refused_token_are_told(
    stack: DirectStack, monkeypatch: pytest.MonkeyPatch, spoil: Spoil
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("idiscover.aws.tableau_inventory.orphans", lambda _titles, _context: ["Labs of old"])
        (_, orphan) = findings(stack, "Tableau")
        assert (orphan.outcome, orphan.remedy) == (Outcome.WARN, "idiscover tableau prune")
        assert "Labs of old" in orphan.found
    spoil(str(stack.context.secrets.tableau), token_value="hunter2hunter2")
    ((found, remedy),) = failures(stack, "Tableau")
    assert "Tableau refuses the login" in found and "15 days" in remedy and "hunter2" not in found


def test_a_sound_environment_fails_in_nothing(stack: DirectStack, capsys: pytest.CaptureFixture[str]) -> None:
    before = keys(stack)
    assert run_doctor(str(CONTEXT_FILE), REPOSITORY, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["fail"] == 0
    found = {item["check"]: item["found"] for item in document["findings"] if item["outcome"] == "ok"}
    for name in (
        "AWS", "clock", "secret salesforce", "secret s3_target", "secret redshift", "secret job_metadata",
        "S3 data bucket", "S3 target", "S3 DAG bucket", "warehouse", "COPY role", "job metadata", "Salesforce",
        "Salesforce limits", "Salesforce objects", "EMR", "EMR release", "mail", "Airflow", "Airflow pools", "Tableau",
    ):  # fmt: skip
        assert name in found, name
    assert found["Salesforce objects"] == "16 described, with all their fields"
    assert keys(stack) == before, "the probe key is gone"


def test_no_secret_is_ever_printed(stack: DirectStack, capsys: pytest.CaptureFixture[str], spoil: Spoil) -> None:
    spoil(stack.context.secrets.redshift, password="hunter2hunter2")
    spoil(stack.context.secrets.salesforce, client_id="nobodyknowsthisclient", private_key="not a key at all")
    for as_json in (False, True):
        assert not run_doctor(str(CONTEXT_FILE), REPOSITORY, as_json)
        out = capsys.readouterr().out
        assert "remedy" in out
        for value in ("hunter2", "not a key at all", json.loads(json.dumps(stack.org.secret))["private_key"][40:80]):
            assert value not in out


@pytest.mark.parametrize(
    ("kind", "field", "said"),
    [
        ("salesforce", "client_id", "The Salesforce secret is incomplete; client_id; nothing"),
        ("salesforce", "grant_type", "The Salesforce secret is incomplete; grant_type; nothing"),
        ("redshift", "host", "a database secret is incomplete; redshift"),
        ("job_metadata", "password", "a database secret is incomplete; job_metadata"),
        ("erasure", "hmac_key", "the secret of erasures has no key; hmac_key"),
        ("protection", "hmac_key", "the secret of protected values holds no key"),
    ],
)
def test_a_secret_that_lacks_a_field(stack: DirectStack, spoil: Spoil, kind: str, field: str, said: str) -> None:
    spoil(getattr(stack.context.secrets, kind), **{field: None})
    [(found, remedy)] = failures(stack, f"secret {kind}")
    assert found.startswith(said)
    assert remedy and remedy != "None"


def test_a_secret_that_is_not_there_or_is_no_document(stack: DirectStack, spoil: Spoil) -> None:
    context = stack.context.model_copy(
        update={"secrets": stack.context.secrets.model_copy(update={"redshift": "idiscover/elsewhere"})}
    )
    checks = [check for check in all_checks(context, REPOSITORY) if check.name in ("secret redshift", "warehouse")]
    found = list(run_checks(checks))
    assert [item.outcome for item in found] == [Outcome.FAIL] * 2
    assert all("idiscover/elsewhere" in item.found and item.remedy for item in found)
    spoil(stack.context.secrets.s3_target)
    _put_secret(stack, stack.context.secrets.s3_target, "just a word")
    assert failures(stack, "secret s3_target")[0][0].startswith("a secret is not a JSON object")


def test_a_target_without_credentials(stack: DirectStack, spoil: Spoil) -> None:
    spoil(stack.context.secrets.s3_target, role_arn=None, note="to be done")
    [(found, _)] = failures(stack, "S3 target")
    assert found.startswith("the S3 target secret names no credentials")


@pytest.mark.parametrize(("kind", "check"), [("redshift", "warehouse"), ("job_metadata", "job metadata")])
def test_a_wrong_password(stack: DirectStack, spoil: Spoil, kind: str, check: str) -> None:
    spoil(getattr(stack.context.secrets, kind), password="wrong")
    [(found, remedy)] = failures(stack, check)
    assert found.startswith("the database refuses the login")
    assert "secret" in remedy


def test_a_table_and_a_procedure_that_are_missing(stack: DirectStack) -> None:
    stack.warehouse("alter table itg.account__changes rename to account__changes_away")
    stack.warehouse("alter table stg.table_migration rename to table_migration_away")
    # the front knows no way to rename a procedure; the database behind it does
    signature = "(varchar, date, varchar)"
    stack_sql(stack, f"alter procedure dm.load_dim_lab{signature} rename to load_dim_lab_away")
    try:
        found = failures(stack, "warehouse")
    finally:
        stack_sql(stack, f"alter procedure dm.load_dim_lab_away{signature} rename to load_dim_lab")
        stack.warehouse("alter table itg.account__changes_away rename to account__changes")
        stack.warehouse("alter table stg.table_migration_away rename to table_migration")
    assert found == [
        ("tables are missing: itg.account__changes, stg.table_migration", "idiscover deploy"),
        ("procedures are missing: dm.load_dim_lab", "idiscover deploy"),
    ]
    assert failures(stack, "warehouse") == []


def stack_sql(stack: DirectStack, sql: str) -> None:
    """A statement in the warehouse without its front."""
    run_statement(stack.postgres_dsn, sql, ())


def test_a_table_of_the_job_metadata_that_is_missing(stack: DirectStack) -> None:
    stack.job("alter table job.slice_mark rename to slice_mark_away")
    try:
        [(found, remedy)] = failures(stack, "job metadata")
    finally:
        stack.job("alter table job.slice_mark_away rename to slice_mark")
    assert found.endswith(": slice_mark") and remedy == "idiscover deploy"


def test_outside_the_repository_what_needs_it_is_a_warning(stack: DirectStack, tmp_path: Path) -> None:
    found = findings(stack, "job metadata", "requirements", root=tmp_path)
    assert [item.outcome for item in found] == [Outcome.WARN] * 2
    assert all("not the repository" in item.found for item in found)


def test_a_sender_that_is_not_verified(stack: DirectStack) -> None:
    ses = aws_client(stack.aws_endpoint, "ses")
    ses.delete_identity(Identity=stack.context.mail.sender)
    try:
        [(found, remedy)] = failures(stack, "mail")
    finally:
        ses.verify_email_identity(EmailAddress=stack.context.mail.sender)
    assert "is not verified in SES" in found and "verify" in remedy


def test_a_bucket_that_is_not_there_and_one_without_versions(stack: DirectStack) -> None:
    buckets = stack.context.buckets.model_copy(update={"data": "idiscover-nowhere", "dags": "idiscover-plain"})
    context = stack.context.model_copy(update={"buckets": buckets})
    aws_client(stack.aws_endpoint, "s3").create_bucket(Bucket="idiscover-plain")
    names = ("S3 data bucket", "S3 DAG bucket")
    found = list(run_checks(check for check in all_checks(context, REPOSITORY) if check.name in names))
    assert [(item.check, item.outcome) for item in found] == [
        ("S3 data bucket", Outcome.FAIL),
        ("S3 DAG bucket", Outcome.FAIL),
        ("S3 DAG bucket", Outcome.WARN),
    ]
    assert "idiscover-nowhere" in found[0].found
    assert found[1].remedy == "idiscover deploy"
    assert "older versions" in found[2].found


def test_a_login_that_the_org_refuses(stack: DirectStack, spoil: Spoil) -> None:
    spoil(stack.context.secrets.salesforce, client_id="somebody else")
    [(found, remedy)] = failures(stack, "Salesforce")
    assert "login" in found.lower() and remedy != "None"


def test_fields_and_objects_that_the_user_does_not_see(stack: DirectStack, monkeypatch: pytest.MonkeyPatch) -> None:
    real = services.SalesforceSession.describe

    def describe(session: Any, name: str) -> dict[str, Any]:
        if name == "Testing_Volume__c":
            return real(session, "No_Such_Object__c")
        answer = real(session, name)
        hidden = ("City__c", "BillingCity") if name == "Account" else ()
        return {**answer, "fields": [field for field in answer["fields"] if field["name"] not in hidden]}

    monkeypatch.setattr(services.SalesforceSession, "describe", describe)
    found = dict(failures(stack, "Salesforce"))
    assert len(found) == 2
    account, volume = sorted(found)
    assert account.startswith("Account has no ") and "field-level security" in found[account]
    assert volume.startswith("Testing_Volume__c: ") and "read access" in found[volume]


@pytest.mark.parametrize(
    ("left", "outcome"), [(0, Outcome.FAIL), (9, Outcome.WARN), (10, Outcome.OK), (100, Outcome.OK)]
)
def test_limits_of_the_org(left: int, outcome: Outcome) -> None:
    [finding] = services._limits({"DailyApiRequests": {"Max": 100, "Remaining": left}, "Other": {}})
    assert finding.outcome is outcome
    assert (finding.remedy is None) == (outcome is Outcome.OK)


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [(0, Outcome.OK), (-29, Outcome.OK), (30, Outcome.WARN), (-239, Outcome.WARN), (240, Outcome.FAIL)],
)
def test_how_far_a_clock_may_be_off(seconds: float, outcome: Outcome) -> None:
    assert services.skew_finding(seconds).outcome is outcome


def test_a_release_that_emr_does_not_know(stack: DirectStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "has_release_label", lambda *_: False)
    [(found, _)] = failures(stack, "EMR")
    assert found == "emr-spark-8.0.0 is not known in us-east-1"


def test_what_is_wrong_in_airflow(stack: DirectStack, well: Airflow, monkeypatch: pytest.MonkeyPatch) -> None:
    well.dags.discard("dm_to_dm__dm_lab_360")
    trace = "Traceback …\n  File …\nNameError: name 'dag' is not defined\n"
    well.errors = [{"filename": "generated/x.py", "stack_trace": trace}]
    well.pools |= {"emr": 1}
    del well.pools["table__itg__account"]
    well.install(monkeypatch)
    found = failures(stack, "Airflow")
    assert [text for text, _ in found] == [
        "generated/x.py does not parse: NameError: name 'dag' is not defined",
        "in the bucket, and not in Airflow: dm_to_dm__dm_lab_360",
        "missing, or of another size: emr, table__itg__account",
    ]
    assert all(remedy != "None" for _, remedy in found)


def test_an_unforeseen_error_of_one_check_leaves_the_others_alone(
    stack: DirectStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "living_clusters", lambda _: 1 // 0)
    found = findings(stack, "EMR", "mail")
    assert [(item.check, item.outcome) for item in found] == [("EMR", Outcome.FAIL), ("mail", Outcome.OK)]
    assert found[0].found.startswith("ZeroDivisionError") and found[0].remedy


def test_packages_that_drifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "airflow.txt").write_text(
        "pytest==0.1 \\\n    --hash=sha256:0\nno_such-Package[x]==2.0\n"
        "only-elsewhere==1.0 ; sys_platform == 'nowhere'\n"
    )
    [finding] = list(machine._requirements(tmp_path))
    assert finding.outcome is Outcome.WARN
    assert finding.found.startswith("2 of 2 packages drifted: no-such-package missing, not 2.0, pytest ")


def test_what_people_see(stack: DirectStack, spoil: Spoil, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(stack.context.secrets.redshift, host=None)
    assert not run_doctor(str(CONTEXT_FILE), REPOSITORY, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "environment local"
    at = next(number for number, line in enumerate(lines) if line.startswith("fail secret redshift"))
    assert lines[at + 1].strip().startswith("remedy: ")
    assert lines[-1].split(", ")[-1] == "2 fail", "the secret, and the warehouse that needs it"
    assert command._summary([Finding("a", Outcome.OK, "b")]) == "all 1 checks are ok"
