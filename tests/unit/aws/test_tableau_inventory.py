"""What stands in Tableau beside what shall, and removing what no subject publishes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from idiscover.aws import tableau_inventory
from idiscover.aws.tableau_inventory import inventory, orphans, remove
from idiscover.aws.tableau_publishing import Wanted, bring
from idiscover.aws.tableau_site import tableau_site
from idiscover.errors import ConfigError
from idiscover.metadata.models import Context, Owner
from idiscover.metadata.subjects import SubjectSpec
from idiscover.tableau.inventory import inventory_text

from local.tableau.state import TableauState
from tests.support.tableau_server import SITE, TOKEN_NAME, TOKEN_VALUE, running_tableau
from tests.unit.metadata_samples import sample_context

TEXT = "<?xml version='1.0'?><datasource/>"
OWNER = Owner(name="Lab Team", email="labs@example.com")


def wanted(context: Context, subject: str, title: str, text: str = TEXT, environment: str = "") -> Wanted:
    spec = SubjectSpec(subject=subject, title=title, description="d", view="dm.v_fact_test", owner=OWNER)
    return Wanted(spec, environment or context.environment, text, None, "Loaded.", None, "Loaded.")


@pytest.fixture
def context() -> Context:
    context = sample_context()
    return context.model_copy(update={"secrets": context.secrets.model_copy(update={"tableau": "tableau"})})


@pytest.fixture
def state(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TableauState]:
    """The server with Labs, Old labs, and Tests of another environment; a person's own data source beside them."""
    with running_tableau(tmp_path) as (address, authority, state):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
        secret = {"server": address, "token_name": TOKEN_NAME, "token_value": TOKEN_VALUE, "site": SITE}
        monkeypatch.setattr(tableau_inventory, "tableau_secret", lambda _context: secret)
        with tableau_site(secret, context.tableau) as site:
            project = site.project_id()
            for item in (
                wanted(context, "labs", "Labs"),
                wanted(context, "old_labs", "Old labs"),
                wanted(context, "tests", "Tests", environment="another"),
            ):
                bring(site, project, item)
        state.new_source("By a person")
        yield state


def test_what_no_subject_publishes_is_told_and_removed_and_nothing_else(state: TableauState, context: Context) -> None:
    assert orphans(["Labs"], context) == ["Old labs"], "neither a person's, nor another environment's"
    with pytest.raises(ConfigError, match=r"a subject publishes(.|\n)*Labs"):
        remove(["Labs", "Old labs"], ["Labs"], context)
    assert len(state.sources) == 4
    assert remove(["Old labs", "By a person", "Tests"], ["Labs"], context) == ["Old labs"]
    assert {source.name for source in state.sources.values()} == {"Labs", "Tests", "By a person"}
    assert orphans(["Labs"], context) == []


def test_the_inventory_has_each_subject_and_each_data_source(
    state: TableauState, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = [wanted(context, "labs", "Labs", f"{TEXT}<!-- new -->"), wanted(context, "kits", "Kits")]
    monkeypatch.setattr(tableau_inventory, "wanted_of", lambda *_: subjects)
    state.source("Labs").warning = {"type": "STALE", "message": "iDiscover: old", "isActive": "true"}
    found = inventory([], context)
    assert [(item.title, item.subject, item.is_current) for item in found] == [
        ("Kits", "kits", False),
        ("Labs", "labs", False),
        ("Old labs", None, False),
    ]
    text = inventory_text(found)
    assert text.startswith("Kits (kits): not published yet\nLabs (labs): version ")
    assert "UTC; another text would be published\n  certified: Loaded.\n  warning: iDiscover: old\n" in text
    assert "Old labs (of no subject): version" in text and "idiscover tableau prune" in text
    monkeypatch.setattr(tableau_inventory, "wanted_of", lambda *_: [wanted(context, "labs", "Labs")])
    assert [item.title for item in inventory([], context) if item.is_current] == ["Labs"]
    assert inventory_text([]) == "no subjects, and nothing published"
