"""`idiscover onboard` from options to files: what it shows, when it writes, and that it writes all or nothing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from idiscover.cli import onboarding_command
from idiscover.cli.app import app
from idiscover.cli.onboarding import Wishes, onboard
from idiscover.cli.onboarding_command import OnboardRequest, run_onboard
from idiscover.cli.onboarding_files import MetadataFolder
from idiscover.cli.verbs import load_verbs
from idiscover.errors import ConfigError
from idiscover.metadata.loading import CatalogError, FolderReader, load_catalog
from idiscover.metadata.models import CountryVia
from idiscover.salesforce.faults import NotFound
from idiscover.warehouse.limits import check_limits
from typer.testing import CliRunner

from tests.unit.metadata.test_proposals import DELETED, ID, LAB, STAMP, field
from tests.unit.metadata_samples import REPOSITORY, sample_catalog, sample_files

RACK = {"name": "Rack__c", "label": "Rack", "labelPlural": "Racks",
        "fields": [ID, DELETED, STAMP, LAB, field("Mail__c", "email")]}  # fmt: skip
SHELF = {"name": "Shelf__c", "label": "Shelf", "labelPlural": "Shelves",
         "fields": [ID, DELETED, STAMP, field("Rack__c", "reference", referenceTo=["Rack__c"])]}  # fmt: skip
FILES = ["delta_filter/rack.yaml", "objects/rack.yaml", "tables/itg.rack.yaml"]


class FakeOrg:
    """A session that knows two objects."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = copy.deepcopy({item["name"]: item for item in (RACK, SHELF)})

    def describe(self, name: str) -> dict[str, Any]:
        if name not in self.objects:
            raise NotFound(f"Salesforce does not have it: describe {name}")
        return dict(self.objects[name])

    def call(self, operation: object, what: str) -> dict[str, Any]:
        return {"sobjects": [{"name": name} for name in self.objects]}


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch) -> FakeOrg:
    found = FakeOrg()
    monkeypatch.setattr(onboarding_command, "read_secret", lambda name, region: {})
    monkeypatch.setattr(onboarding_command, "open_session", lambda secret, version: found)
    return found


@pytest.fixture
def metadata(tmp_path: Path) -> Iterator[Path]:
    """The sample's metadata in a folder; no part of a file is ever left in it."""
    for path, text in sample_files().items():
        file = tmp_path / "metadata" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    yield tmp_path / "metadata"
    assert not list(tmp_path.rglob("*.partial"))


def run(metadata: Path, *sobjects: str, **options: Any) -> None:
    """The verb, with its defaults."""
    chosen: dict[str, Any] = {"name": None, "fields": None, "all_fields": False, "owner": None, "ddl": True}
    chosen |= {"yes": False, "dry_run": False, "as_json": False, **options}
    context = str(REPOSITORY / "context" / "local.yaml")
    run_onboard(OnboardRequest(sobjects=sobjects, context=context, metadata=metadata, **chosen))


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_yes_writes_and_says_what_is_next(org: FakeOrg, metadata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(metadata)
    run(metadata, "Rack__c", yes=True)
    told = capsys.readouterr().out
    assert sorted(set(content(metadata)) - set(before)) == FILES
    assert load_catalog(FolderReader(metadata)).objects["rack"].salesforce_object == "Rack__c"
    for part in ("+++ metadata/objects/rack.yaml", "create table if not exists stg.rack", "itg.rack",
                 "Mail__c → mail: pii personal", "via Lab__c", "next:", "deploy"):  # fmt: skip
        assert part in told
    run(metadata, "Rack__c", yes=True)
    assert "nothing has changed" in (again := capsys.readouterr().out) and "no file is to be changed" in again


@pytest.mark.parametrize("options", [{"dry_run": True}, {"dry_run": True, "yes": True}, {"as_json": True}])
def test_looking_changes_nothing(org: FakeOrg, metadata: Path, options: dict[str, bool]) -> None:
    before = content(metadata)
    run(metadata, "Rack__c", **options)
    assert content(metadata) == before


def test_without_a_terminal_nobody_says_yes(org: FakeOrg, metadata: Path) -> None:
    before = content(metadata)
    with pytest.raises(ConfigError, match="nobody is there to say yes"):
        run(metadata, "Rack__c")
    assert content(metadata) == before


@pytest.mark.parametrize("answer", [True, False])
def test_on_a_terminal_a_person_is_asked(
    org: FakeOrg, metadata: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    def confirm(question: str, abort: bool) -> None:
        assert "Write 3 files" in question and abort
        if not answer:
            raise typer.Abort

    def prompt(question: str, default: str) -> str:
        assert "Rack__c" in question and default == "Lab Team <labs@example.com>"
        return "Rack Team <racks@example.com>"

    monkeypatch.setattr(onboarding_command.typer, "confirm", confirm)
    monkeypatch.setattr(onboarding_command.typer, "prompt", prompt)
    monkeypatch.setattr(onboarding_command.sys.stdin, "isatty", lambda: True, raising=False)
    if answer:
        run(metadata, "Rack__c")
    else:
        with pytest.raises(typer.Abort):
            run(metadata, "Rack__c")
    assert (metadata / "objects" / "rack.yaml").exists() == answer
    if answer:
        assert load_catalog(FolderReader(metadata)).objects["rack"].owner.email == "racks@example.com"


def test_json_for_machines(org: FakeOrg, metadata: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(metadata, "Rack__c", as_json=True, yes=True)
    told = json.loads(capsys.readouterr().out)
    [item] = told["objects"]
    assert (item["object"], item["is_new"], len(item["to_confirm"])) == ("rack", True, 1)
    assert told["written"] == told["changed"] == FILES == sorted(told["files"])


def test_objects_of_one_call_may_have_each_others_country(org: FakeOrg, metadata: Path) -> None:
    run(metadata, "Shelf__c", "Rack__c", yes=True)
    objects = load_catalog(FolderReader(metadata)).objects
    assert objects["shelf"].country == CountryVia(rule="via", column="rack_id", object="rack")


def test_a_name_that_the_org_does_not_have(org: FakeOrg, metadata: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean Rack__c"):
        run(metadata, "Racks__c")


@pytest.mark.parametrize(
    ("sobjects", "options", "message"),
    [
        (("Rack__c", "Shelf__c"), {"name": "x"}, "one name for several objects"),
        (("Rack__c",), {"name": "lab"}, "an object of this name exists"),
        (("Rack__c",), {"name": "Rack"}, "objects/Rack.yaml"),
        (("Rack__c",), {"fields": "Lab__c", "all_fields": True}, "exclude each other"),
        (("Rack__c",), {"fields": "Fotos__c"}, "the org has no such field"),
        (("Rack__c",), {"owner": ("Lab", "nowhere")}, "a name and an e-mail address"),
    ],
)
def test_what_is_refused(
    org: FakeOrg, metadata: Path, sobjects: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    before = content(metadata)
    with pytest.raises(ConfigError, match=message):
        run(metadata, *sobjects, yes=True, **options)
    assert content(metadata) == before


def test_a_folder_without_metadata_is_refused(org: FakeOrg, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no metadata here"):
        run(tmp_path, "Rack__c", yes=True)


def test_metadata_that_are_wrong_already_are_told_as_such(org: FakeOrg, metadata: Path) -> None:
    lab = metadata / "objects" / "lab.yaml"
    lab.write_text(lab.read_text().replace("load_mode: delta", "load_mode: daily"))
    with pytest.raises(CatalogError, match="load_mode"):
        run(metadata, "Rack__c", yes=True)


def test_a_known_object_is_not_renamed(org: FakeOrg, metadata: Path) -> None:
    run(metadata, "Rack__c", yes=True)
    with pytest.raises(ConfigError, match="has a name already"):
        run(metadata, "Rack__c", name="shelf", yes=True)


def test_the_command_line(org: FakeOrg, metadata: Path) -> None:
    load_verbs()
    context = str(REPOSITORY / "context" / "local.yaml")
    words = [
        "onboard",
        "Rack__c",
        "--metadata",
        str(metadata),
        "--context",
        context,
        "--object",
        "shelf_rack",
        "--no-ddl",
    ]
    words += ["--owner", "Lab Data", "lab-data@example.com", "--fields", "Mail__c", "--yes"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "create table" not in done.output
    spec = load_catalog(FolderReader(metadata)).objects["shelf_rack"]
    assert (spec.owner.name, spec.owner.email) == ("Lab Data", "lab-data@example.com")
    assert [item.salesforce for item in spec.fields] == ["Id", "IsDeleted", "SystemModstamp", "Lab__c", "Mail__c"]


def test_a_write_that_fails_leaves_nothing(metadata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(metadata)
    folder = MetadataFolder(metadata)
    changed = {"objects/lab.yaml": "new\n", "objects/new.yaml": "new\n", "tables/itg.lab.yaml": "new\n"}
    folder.put(changed)
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target.name == "itg.lab.yaml":
            raise OSError("no space left")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OSError, match="no space"):
        folder.write()
    assert content(metadata) == before
    monkeypatch.undo()
    assert folder.write() == sorted(changed)


@pytest.mark.parametrize("path", ["objects/lab.yaml", "objects/new.yaml"])
def test_a_file_that_somebody_saved_meanwhile_is_not_overwritten(metadata: Path, path: str) -> None:
    folder = MetadataFolder(metadata)
    folder.put({"objects/kit.yaml": "new\n", path: "new\n"})
    (metadata / path).write_text("saved meanwhile\n")
    before = content(metadata)
    with pytest.raises(ConfigError, match="has changed since it was read"):
        folder.write()
    assert content(metadata) == before


def test_a_query_that_is_too_long_is_refused() -> None:
    spec = sample_catalog().objects["unit"]
    more = [spec.fields[0].model_copy(update={"salesforce": f"{'x' * 70}{number:05d}__c"}) for number in range(1230)]
    check_limits(spec.model_copy(update={"fields": (*spec.fields, *more)}))
    with pytest.raises(ConfigError, match="longer than Salesforce takes"):
        check_limits(spec.model_copy(update={"fields": (*spec.fields, *more, *more[:10])}))


def test_long_texts_are_warned_of(metadata: Path) -> None:
    fields = [field(f"Text{number}__c", "textarea", length=131072) for number in range(10)]
    described = {**RACK, "fields": [ID, STAMP, *fields]}
    warnings = onboard(MetadataFolder(metadata), lambda name: described, Wishes(("Rack__c",))).objects[0].warnings
    assert "longer than 16,383 characters" in warnings[0] and "4,194,304 per line" in warnings[1]
