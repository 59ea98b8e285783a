"""README and docs/ say what is so: commands exist, examples are valid, links lead somewhere, lists are complete."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from idiscover.cli.compiling import compile_dags
from idiscover.cli.main import main
from idiscover.cli.validating import validate
from idiscover.errors import FailureKind
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.metadata.reference import SECTIONS

from tests.unit.docs.fatal_messages import KINDS, messages_of, raised_messages
from tests.unit.docs.pages import (
    DOCS,
    README,
    REPOSITORY,
    Block,
    all_blocks,
    all_pages,
    anchors,
    blocks,
    example_files,
    links,
    prose,
    section,
    table,
)

RUNBOOK = DOCS / "runbook.md"
PERSON = FailureKind.NEEDS_A_PERSON
IMAGES = DOCS / "images"
MAX_PICTURE_BYTES = 200 * 1024
IDISCOVER = ".venv/airflow/bin/idiscover"
# What stands in a shell block beside our own commands; each is a program of any machine.
OTHER_PROGRAMS = {"find"}
LANGUAGES = {"sh", "yaml", "json", "sql", "text", "mermaid"}


def _id(value: object) -> str:
    return str(value.relative_to(REPOSITORY)) if isinstance(value, Path) else str(value)


# -- commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def make_targets() -> set[str]:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))


@pytest.fixture(scope="module")
def verbs() -> dict[str, str]:
    """Verb of the command line → its help."""
    listed = _help().splitlines()
    names = {match[1] for line in listed if (match := re.match(r"[│|]? *([a-z]+)  +\S", line))}
    return {name: _help(name) for name in sorted(names)}


@cache
def _help(*words: str) -> str:
    """The command line's own help, as wide as it needs; in this process, because a start of another takes a second."""
    told, terminal = io.StringIO(), {"COLUMNS": "200", "TERM": "dumb"}
    with (
        patch.dict(os.environ, terminal),
        patch.object(sys, "argv", ["idiscover", *words, "--help"]),
        contextlib.redirect_stdout(told),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert not end.value.code, f"idiscover {' '.join(words)} --help: {told.getvalue()}"
    return re.sub(r"\x1b\[[0-9;]*m", "", told.getvalue())


@pytest.mark.parametrize("block", all_blocks("sh"), ids=str)
def test_commands_exist(block: Block, make_targets: set[str], verbs: dict[str, str]) -> None:
    for line in filter(None, (line.split(" #")[0].strip() for line in block.text.splitlines())):
        words = shlex.split(line)
        if words[0] == "make":
            assert set(words[1:]) and set(words[1:]) <= make_targets, f"{block}: {line}"
        elif words[0] == IDISCOVER:
            _check_verb(words[1:], verbs, f"{block}: {line}")
        else:
            assert words[0] in OTHER_PROGRAMS, f"{block}: {line}"


def _check_verb(words: list[str], verbs: Mapping[str, str], where: str) -> None:
    if words[0].startswith("-"):
        return
    assert words[0] in verbs, f"{where}: known are {', '.join(verbs)}"
    told, name = verbs[words[0]], words[0]
    if "COMMAND" in told and len(words) > 1 and not words[1].startswith("-"):
        assert re.search(rf"^[│|]? *{words[1]}  +\S", told, re.MULTILINE), f"{where}: {name} has no {words[1]}"
        told, name = _help(*words[:2]), " ".join(words[:2])
    for option in (word for word in words[1:] if word.startswith("--")):
        assert option in told, f"{where}: {name} has no {option}"


def test_commands_named_in_prose_exist(make_targets: set[str], verbs: dict[str, str]) -> None:
    for page in all_pages():
        for kind, word in re.findall(r"`(make|idiscover) ([a-z]+)", prose(page)):
            known = make_targets if kind == "make" else set(verbs)
            assert word in known, f"{page.name}: {kind} {word}"


# -- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", all_pages(), ids=_id)
def test_blocks_are_of_languages_that_are_checked(page: Path) -> None:
    assert page.read_text(encoding="utf-8").count("```") == 2 * len(blocks(page)), f"{page}: a fence is not closed"
    for block in blocks(page):
        # READMEs of local/ show shell lines as indented text; here everything is fenced
        assert block.language in LANGUAGES, f"{block}: {block.language or 'no language'}"


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_policies_are_policies(block: Block) -> None:
    document = json.loads(block.text)
    assert document["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in document["Statement"]]
    assert len(names) == len(set(names)) > 0
    for statement in document["Statement"]:
        assert set(statement) <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert all(re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action) for action in actions), "no wildcards in actions"
        resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
        is_narrow = all(item.startswith("arn:aws:") for item in resources) or "Condition" in statement
        assert is_narrow or actions == ["elasticmapreduce:ListClusters"], "EMR knows no narrower right than this one"


def test_the_example_compiles_with_the_repository(tmp_path: Path) -> None:
    metadata, out = tmp_path / "metadata", tmp_path / "dags"
    standing = FolderReader(REPOSITORY / "metadata")
    examples = example_files()
    assert len(examples) == 4 and set(examples) & set(standing.list()) == {"tables/dm.fact_source_table.yaml"}
    for path in standing.list():
        _write(metadata / path, standing.read(path)[0])
    context = str(REPOSITORY / "context" / "local.yaml")
    compile_dags(str(metadata), context, str(out), "0" * 40)
    before = {path.name for path in out.iterdir()}
    for path, text in examples.items():
        _write(metadata / path, text)
    compile_dags(str(metadata), context, str(out), "0" * 40)
    new = {path.stem for path in out.iterdir() if path.name not in before and path.suffix == ".py"}
    page = (DOCS / "add-an-object.md").read_text(encoding="utf-8")
    assert len(new) == 3 and all(f"`{name}`" in page for name in new)
    assert "sample_shipment" in load_catalog(FolderReader(metadata)).objects


def test_the_mistakes_of_the_example_are_told_as_the_page_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing, examples = FolderReader(REPOSITORY / "metadata"), example_files()
    texts = {path: standing.read(path)[0] for path in standing.list() if path.endswith(".yaml")} | examples
    path = "objects/sample_shipment.yaml"
    for right, wrong in (
        ("column: lab_id, object", "column: labid, object"),
        ("column: carrier, length: 255", "column: carrier"),
    ):
        assert texts[path].count(right) == 1
        texts[path] = texts[path].replace(right, wrong)
    for name, text in texts.items():
        _write(tmp_path / "metadata" / name, text)
    monkeypatch.chdir(tmp_path)
    told = validate("metadata", [], REPOSITORY / "sql").text().rpartition("\n\n")[0]
    assert f"{told}\n" in [block.text for block in blocks(DOCS / "add-an-object.md", "text")], told


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


# -- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", all_pages(), ids=_id)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert target.is_relative_to(REPOSITORY), f"{page.name}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}; there are {sorted(anchors(target))}"


def test_pictures_are_real_small_and_used() -> None:
    used = {(page.parent / link).resolve() for page in all_pages() for link in links(page)}
    pictures = sorted(IMAGES.iterdir())
    assert {"png", "svg"} == {path.suffix.lstrip(".") for path in pictures}
    for path in pictures:
        assert path in used, f"{path.name} is shown nowhere"
        assert path.stat().st_size <= MAX_PICTURE_BYTES, f"{path.name} has {path.stat().st_size} bytes"
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("page", all_pages(), ids=_id)
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(work|root|home|tmp|Users)/", text), "a path of somebody's machine"


def test_every_folder_of_the_house_is_in_the_readme() -> None:
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    tree = section(README, "The house")
    parents = [name.split("/")[:-1] for name in answer.stdout.split("\0")]
    folders = {parts[0] for parts in parents if parts} - {".ci"}
    folders |= {parts[2] for parts in parents if parts[:2] == ["plugins", "idiscover"] and len(parts) > 2}
    folders |= {parts[1] for parts in parents if parts[:1] == ["local"] and len(parts) > 1}
    assert len(folders) > 15
    missing = sorted(folder for folder in folders if not re.search(rf"^ *{folder}/", tree, re.MULTILINE))
    assert not missing


# -- lists that have to be complete ---------------------------------------------------------------


def test_every_model_that_people_write_is_told() -> None:
    """Their keys are made from the models: tests/unit/metadata/test_schemas.py."""
    from idiscover.metadata import models

    known = {
        item
        for item in vars(models).values()
        if isinstance(item, type) and issubclass(item, models.Model) and item not in (models.Model, models.Catalog)
    }
    assert set(SECTIONS.values()) == known


def _told_messages() -> set[str]:
    text = RUNBOOK.read_text(encoding="utf-8")
    return {cells[0].strip("`") for cells in table(text[text.index("## What the message means") :])}


def test_the_runbook_knows_every_message_of_the_code() -> None:
    raised = raised_messages()
    assert len(raised) > 25
    told = _told_messages()
    missing = {message: found.place for message, found in raised.items() if message not in told}
    assert not missing, "docs/runbook.md lacks these messages"


def test_the_runbook_tells_what_passes_from_what_needs_a_person() -> None:
    raised = raised_messages()
    text = RUNBOOK.read_text(encoding="utf-8")
    rows = [cells for cells in table(text[text.index("## What the message means") :]) if cells[0].strip("`") in raised]
    wrong = {cells[0]: cells[1] for cells in rows if cells[1] != _kind_in_words(raised[cells[0].strip("`")].kinds)}
    assert len(rows) == len(raised) and not wrong


def _kind_in_words(kinds: frozenset[FailureKind]) -> str:
    """As the runbook's column has it."""
    if len(kinds) > 1:
        return "either"
    return "passing" if FailureKind.PASSING in kinds else "person"


def test_the_runbook_knows_no_message_that_nobody_raises() -> None:
    invented = _told_messages() - set(raised_messages()) - _messages_of_procedures()
    assert not invented


def _messages_of_procedures() -> set[str]:
    found = set()
    for path in sorted((REPOSITORY / "sql").rglob("*.sql*")):
        for text in re.findall(r"raise exception\s+'((?:[^']|'')*)'", path.read_text(encoding="utf-8")):
            found.add(text.replace("{{ object }}", "<object>").replace("%", "…"))
    return found


def test_the_runbook_knows_every_check_of_the_procedures() -> None:
    assert _messages_of_procedures()
    assert _messages_of_procedures() <= _told_messages()


def test_the_collector_sees_wrapped_and_derived_errors() -> None:
    import ast

    source = """
class Gone(FatalError):
    pass

def fault(what, got):
    return DataQualityError(what, got=got)

class Reader:
    def _fault(self, what: str):
        return FatalError(what)

    def read(self):
        raise self._fault(f"page {self.number} is torn")

def run():
    raise Gone("nobody is there")
    raise fault("two differ", 1)
    raise AirflowFailException(str(error))
    raise ConfigError("not this one")
    kind = RetriableError if busy else FatalError
    raise kind("it is gone" if late else "it is late")
"""
    found = {message: kinds for message, _, kinds in messages_of(ast.parse(source), KINDS | {"Gone": PERSON})}
    both = frozenset({PERSON, FailureKind.PASSING})
    person = dict.fromkeys(("page … is torn", "nobody is there", "two differ"), frozenset({PERSON}))
    assert found == {**person, "it is gone": both, "it is late": both}
