"""`idiscover plan`: what it shows, that nothing of a plan escapes a comparison, and what differs from what runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from idiscover.aws.release_record import record_statements
from idiscover.aws.s3 import Bucket
from idiscover.cli.compiling import compile_dags
from idiscover.cli.main import main
from idiscover.cli.planning import command, running
from idiscover.cli.planning.collect import WholePlan, sections_of, whole_plan
from idiscover.cli.planning.command import PlanRequest, run_plan
from idiscover.cli.planning.compare import differences
from idiscover.cli.planning.sections import Group, Section
from idiscover.cli.planning.show import show_plan
from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, FolderReader, load_catalog
from idiscover.plan.build import build_plans
from idiscover.plan.model import Plan
from idiscover.warehouse.release import release
from moto import mock_aws
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import MemoryReader, sample_catalog, sample_context, sample_files

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = str(ROOT / "context" / "local.yaml")
SHA = "0" * 40
PLANS = {plan.header.dag_id: plan for plan in build_plans(sample_catalog(), sample_context(), SHA)}
_PLAN: TypeAdapter[Plan] = TypeAdapter(Plan)


def sample_plan(name: str, order_date: date | None = None) -> WholePlan:
    return whole_plan(sample_catalog(), sample_context(), SHA, ROOT / "sql", name, order_date)


def shown(plan: WholePlan) -> str:
    out = StringIO()
    show_plan(Console(file=out, width=80), plan)
    return out.getvalue()


@pytest.mark.parametrize("name", ["lab", "result", "kit", "dm.fact_test"])
def test_what_is_shown(name: str) -> None:
    check_golden(f"plan/plan_{name}.txt", shown(sample_plan(name)))


def test_an_order_date_gives_the_window_of_its_scheduled_run() -> None:
    plan = sample_plan("lab", date(2026, 1, 5))
    soql = next(section.text for section in plan.groups[0].sections if section.title == "SOQL of rows")
    window = "SystemModstamp >= 2026-01-04T12:00:00.000Z AND SystemModstamp < 2026-01-06T00:00:00.000Z"
    assert soql.endswith(f"FROM Account WHERE {window}")


def test_the_document_holds_all_texts_whole() -> None:
    document = sample_plan("lab").document()
    assert json.loads(json.dumps(document)) == document
    groups = {group["title"]: {s["title"]: s["value"] for s in group["sections"]} for group in document["groups"]}
    assert list(groups) == ["sfdc_to_s3__lab", "s3_to_redshift__lab", "stg_to_itg__lab", "release"]
    assert groups["sfdc_to_s3__lab"]["cluster"]["ReleaseLabel"] == "emr-spark-8.0.0"
    assert groups["release"]["procedure itg.load_lab"].endswith("$$ language plpgsql;")
    assert "sfdc_to_s3__lab" in document["picture"]["dags"]


def test_a_shared_cluster_is_shown_with_its_group() -> None:
    """In its section, in the picture, in the names that EMR gets."""
    files = sample_files()
    files["objects/lab.yaml"] = files["objects/lab.yaml"].replace("load_mode:", "cluster_group: small\nload_mode:")
    plan = whole_plan(load_catalog(MemoryReader(files)), sample_context(), SHA, ROOT / "sql", "lab", None)
    group = plan.document()["groups"][0]
    sections = {section["title"]: section["value"] for section in group["sections"]}
    assert "shared by the group small" in sections["shared cluster"] and "fingerprint" in sections["shared cluster"]
    assert sections["cluster"]["Name"].endswith(" small <number>") and sections["cluster"]["StepConcurrencyLevel"] == 4
    assert sections["step"]["Name"].endswith(", member <number>")
    assert "shares the cluster of small" in shown(plan)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("dm.dim_lab", "sql/procedures/itg_to_dm/load_dim_lab.sql"),
        ("dm.dm_data_freshness", "sql/procedures/dm_to_dm/load_dm_data_freshness.sql.j2, rendered"),
        ("itg.account", "sql/procedures/stg_to_itg/load.sql.j2, rendered"),
    ],
)
def test_a_table_is_shown_with_its_ddl_and_the_file_of_its_procedure(name: str, file: str) -> None:
    plan = whole_plan(load_catalog(FolderReader(ROOT / "metadata")), sample_context(), SHA, ROOT / "sql", name)
    sections = {section.title: section for section in plan.groups[-1].sections}
    procedure = sections[f"procedure {name.split('.')[0]}.load_{name.split('.')[1]}"]
    assert procedure.summary == file
    assert "create or replace procedure" in procedure.text
    assert f"create table if not exists {name} (" in sections[f"table {name}"].text
    assert not any(title.startswith("table stg.") for title in sections)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("stg.lab", "lab"), ("Test__c", "test"), ("fact_test", "dm.fact_test"), ("itg.lab", "itg.lab")],
)
def test_names_that_are_understood(name: str, meant: str) -> None:
    assert sample_plan(name).subject.name == meant


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("labs", "did you mean lab?"), ("dm.fact_tests", "did you mean dm.fact_test?"), ("zzz", "idiscover status lists")],
)
def test_names_that_are_not(name: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as error:
        sample_plan(name)
    assert str(error.value.remedy).startswith(remedy)


# -- comparison -------------------------------------------------------------------------------------


def changed(value: object) -> Iterator[object]:
    """Other values for a leaf of a plan; which of them the model takes depends on the leaf."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield from (value.replace("CALL itg.load", "CALL itg.reload").replace("CALL dm.load", "CALL dm.reload"),)
        yield from (f"{value}x", "2020-01-02T00:00:00Z", "63.0", "x@example.com")
        yield from ("query", "queryAll", "window", "whole", "same", "all", "string", "date", "sfdc_to_s3", "stg_to_itg")
        yield from ("warn", "slice")
    elif value is None:
        yield from ("x", 1, ["x"])


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(value, dict | list) and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def with_another(plan: Plan, path: tuple[Any, ...]) -> Plan | None:
    """The plan with one leaf changed; None where the model takes no other value there."""
    standing = plan.model_dump(mode="json")
    for value in changed(_at(standing, path)):
        document = plan.model_dump(mode="json")
        _at(document, path[:-1])[path[-1]] = value
        try:
            other = _PLAN.validate_python(document)
        except ValidationError:
            continue
        if other != plan:
            return other
    return None


def form_of(plan: Plan) -> list[Section]:
    """As a running plan is compared; one that cannot be told, such as of a key that is no column, as a document."""
    return running._sections(plan, None)


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize(
    "dag_id", ["sfdc_to_s3__result", "s3_to_redshift__test", "stg_to_itg__test", "itg_to_dm__fact_test"]
)
def test_no_change_of_a_plan_escapes_the_comparison(dag_id: str) -> None:
    plan = PLANS[dag_id]
    groups = [Group(dag_id, tuple(sections_of(plan)))]
    assert differences({dag_id: sections_of(plan)}, groups) == []
    unchangeable, unseen = [], []
    document = plan.model_dump(mode="json")
    for path in leaves(document):
        if path[:2] == ("header", "metadata_versions"):
            continue
        other = with_another(plan, path)
        if other is None:
            unchangeable.append(path)
        elif not differences({dag_id: form_of(other)}, groups):
            unseen.append(path)
    assert unseen == []
    # empty lists, and what may be None or a whole model, are of fields whose members other plans have
    assert [path for path in unchangeable if path[-1] not in ("kind", "rule") and _at(document, path)] == []


# -- against an environment -------------------------------------------------------------------------


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    """The sample, as a folder that may be edited."""
    for path, text in sample_files().items():
        (tmp_path / "metadata" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "metadata" / path).write_text(text, encoding="utf-8")
    return tmp_path / "metadata"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local environment's two buckets, empty."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        for bucket in ("idiscover-local", "idiscover-local-dags"):
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=bucket)
        yield


@pytest.fixture
def deployed(environment: None, metadata: Path) -> None:
    """The sample runs in the environment."""
    compile_dags(str(metadata), CONTEXT, "s3://idiscover-local-dags/dags/generated/", SHA)
    statements = release(load_catalog(FolderReader(metadata)), ROOT / "sql")
    record_statements(Bucket("idiscover-local", "us-east-1"), statements)


Ask = Callable[..., tuple[bool, str]]


@pytest.fixture
def ask(metadata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """`idiscover plan NAME --diff`: whether anything differs, and what was said."""
    monkeypatch.setattr(command, "code_sha", lambda _files: SHA)

    def call(name: str, **options: Any) -> tuple[bool, str]:
        given = {"order_date": None, "picture": None, "as_json": False, "diff": True, **options}
        differs = run_plan(PlanRequest(name, str(metadata), CONTEXT, ROOT, **given))
        return differs, capsys.readouterr().out

    return call


def sections_in(out: str) -> dict[tuple[str, str], list[str]]:
    """Group and section → its diff, of what --json prints."""
    return {(item["group"], item["section"]): item["diff"] for item in json.loads(out)["differences"]}


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize("name", ["result", "dm.fact_test"])
def test_what_was_deployed_differs_in_nothing(ask: Ask, name: str) -> None:
    assert ask(name) == (False, "nothing differs from what runs in environment local\n")


@pytest.mark.usefixtures("environment")
def test_where_nothing_runs_yet_everything_is_new(ask: Ask) -> None:
    differs, out = ask("result", as_json=True)
    found = sections_in(out)
    assert differs
    assert {group for group, _ in found} == {group.title for group in sample_plan("result").groups}
    assert all(lines[:2] == ["--- nothing", "+++ planned"] for lines in found.values())


@pytest.mark.usefixtures("deployed")
def test_an_edit_shows_wherever_it_has_effect_and_nowhere_else(ask: Ask, metadata: Path) -> None:
    for path, before, after in (
        ("objects/lab.yaml", "precision: 18, scale: 2", "precision: 17, scale: 2"),
        ("delta_filter/lab.yaml", "lookback_minutes: 720", "lookback_minutes: 60"),
    ):
        text = (metadata / path).read_text(encoding="utf-8")
        (metadata / path).write_text(text.replace(before, after), encoding="utf-8")
    differs, out = ask("lab", as_json=True)
    found = sections_in(out)
    documented = {
        (f"{family}__lab", "documentation, settings") for family in ("sfdc_to_s3", "s3_to_redshift", "stg_to_itg")
    }
    tables = {("release", "table stg.lab"), ("release", "table itg.lab")}
    assert differs
    assert set(found) == documented | tables | {("sfdc_to_s3__lab", "reads"), ("sfdc_to_s3__lab", "query job")}
    for _, table in tables:
        assert '-    "order" numeric(18, 2),' in found["release", table]
        assert '+    "order" numeric(17, 2),' in found["release", table]
    assert ask("unit")[0] is False


@pytest.mark.usefixtures("deployed")
def test_a_plan_of_another_version_of_the_code_is_compared_as_it_stands(ask: Ask) -> None:
    key = "dags/generated/s3_to_redshift__lab.json"
    content = b'{"kind": "load", "of": "long ago"}'
    boto3.client("s3", region_name="us-east-1").put_object(Bucket="idiscover-local-dags", Key=key, Body=content)
    differs, out = ask("lab")
    assert differs
    assert '-{"kind": "load", "of": "long ago"}' in out


@pytest.mark.usefixtures("deployed")
def test_the_exit_status_says_so_only_if_asked(
    metadata: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "code_sha", lambda _files: "1" * 40)  # other code than was deployed
    words = ["plan", "lab", "--metadata", str(metadata), "--context", CONTEXT, "--root", str(ROOT)]
    for options, status in (([], 0), (["--diff"], 0), (["--diff", "--exit-code"], 1)):
        monkeypatch.setattr(sys, "argv", ["idiscover", *words, *options])
        with pytest.raises(SystemExit) as end:
            main()
        assert int(end.value.code or 0) == status, capsys.readouterr().err


def test_a_plan_without_diff_asks_nobody_and_writes_nothing(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a plan asks nobody")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", refuse)
    monkeypatch.setattr("psycopg2.connect", refuse)
    monkeypatch.setattr("requests.Session.request", refuse)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert ask("lab", diff=False)[0] is False
    assert list((tmp_path / "here").iterdir()) == []


def test_pictures_go_where_they_are_sent(ask: Ask, tmp_path: Path) -> None:
    svg, mermaid = tmp_path / "a.svg", tmp_path / "a.mmd"
    for path in (svg, mermaid):
        ask("lab", diff=False, picture=str(path))
    assert svg.read_text().startswith("<svg ") and mermaid.read_text().startswith("flowchart LR\n")
    assert ask("lab", diff=False, picture="mermaid")[1] == mermaid.read_text()
    with pytest.raises(ConfigError, match="no such kind of picture"):
        ask("lab", diff=False, picture=str(tmp_path / "a.pdf"))


def write_metadata(folder: Path, **broken: str) -> Path:
    """The sample as files; `broken`: the name of a file, with `__` for the folder's end → what it holds instead."""
    files = sample_files() | {f"{name.replace('__', '/')}.yaml": text for name, text in broken.items()}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def planned(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """What `idiscover plan NAME` writes to stdout and stderr."""
    assert run_plan(PlanRequest(name, str(folder), CONTEXT, ROOT, None, False, None, False)) is False
    told = capsys.readouterr()
    return told.out, told.err


def test_a_mistake_in_files_of_others_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_metadata(tmp_path / "sound")
    sound, quiet = planned(folder, "lab", capsys)
    assert "warning" not in quiet
    broken = sample_files()["objects/kit.yaml"].replace("type: id", "type: idd")
    with_mistake, told = planned(write_metadata(tmp_path / "broken", objects__kit=broken), "lab", capsys)
    assert with_mistake == sound
    assert told.startswith("warning: the metadata has 1 problem") and "objects/kit.yaml:11:28" in told
    assert (
        "left out of this plan, with what rests on them: delta_filter/kit.yaml, objects/kit.yaml, tables/itg.kit"
        in told
    )


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("objects__lab", "lab"), ("delta_filter__lab", "lab"), ("tables__itg.lab", "lab"),  # its own
        ("objects__lab", "test"), ("objects__lab", "result"), ("objects__unit", "dm.fact_test"),  # what it rests on
    ],
)  # fmt: skip
def test_a_mistake_in_its_own_files_or_in_what_it_rests_on_is_an_error(tmp_path: Path, file: str, name: str) -> None:
    folder = write_metadata(tmp_path, **{file: "nothing: of the sort\n", "objects__kit": "kits\n"})
    with pytest.raises(CatalogError) as error:
        run_plan(PlanRequest(name, str(folder), CONTEXT, ROOT, None, False, None, False))
    assert "objects/kit.yaml" in str(error.value), "all mistakes are told"
    assert f"{file.replace('__', '/')}.yaml" in str(error.value)


def test_an_object_that_hashes_without_a_key_is_not_shown_as_if_it_ran() -> None:
    """Other objects and tables are."""
    files = sample_files()
    files["objects/lab.yaml"] = files["objects/lab.yaml"].replace("type: string", "type: string, protect: hash", 1)
    catalog, context = load_catalog(MemoryReader(files)), sample_context()
    secrets = context.secrets.model_copy(update={"protection": None})
    without_key = context.model_copy(update={"secrets": secrets})
    with pytest.raises(ConfigError, match="values are to be hashed, and the context names no key") as refused:
        whole_plan(catalog, without_key, SHA, ROOT / "sql", "lab")
    assert refused.value.where == "objects/lab.yaml"
    for name, known in (("lab", context), ("test", without_key), ("itg.lab", without_key)):
        assert whole_plan(catalog, known, SHA, ROOT / "sql", name).groups
