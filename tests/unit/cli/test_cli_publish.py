"""`idiscover publish`: what it says of edits, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from idiscover.aws import airflow_rest
from idiscover.cli.app import app
from idiscover.cli.verbs import load_verbs
from typer.testing import CliRunner, Result

from tests.unit.metadata_samples import REPOSITORY
from tests.unit.published_world import BROKEN_LAB, FACT, FACT_FILE, OTHER_FACT, World, published_world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An environment into which the sample was published once; Airflow is asked for pools only."""
    with published_world(monkeypatch) as found:
        monkeypatch.setattr("idiscover.cli.publishing.AirflowRest", lambda context: PlayedAirflow(found))
        yield found


class PlayedAirflow:
    """Airflow's REST API, of which the pools are asked."""

    def __init__(self, world: World) -> None:
        self._world = world

    def ensure_pools(self, wanted: dict[str, int]) -> int:
        """Notes them."""
        self._world.pools.update(wanted)
        return len(wanted)


def run(*words: str) -> Result:
    """The verb, in this process."""
    load_verbs()
    return CliRunner().invoke(app, ["publish", "--context", str(REPOSITORY / "context" / "local.yaml"), *words])


def test_airflow_has_the_call_that_is_played() -> None:
    assert callable(airflow_rest.AirflowRest.ensure_pools)


def test_an_edit_is_shown_and_published(world: World) -> None:
    world.edit(FACT_FILE, OTHER_FACT)
    before = world.files()
    dry = run("--dry-run")
    assert dry.exit_code == 0 and "1 files would be written" in dry.output and world.files() == before
    done = run()
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert f"--- in force/metadata/{FACT_FILE}" in lines and "+description: Facts of tests." in lines
    assert "Facts of tests." in world.header(FACT)["doc_md"]
    assert "0 files written" in run().output


def test_a_refused_edit_is_explained_and_ends_with_status_1(world: World) -> None:
    version = world.state().files["objects/lab.yaml"]
    world.edit("objects/lab.yaml", BROKEN_LAB)
    done = run()
    assert done.exit_code == 1
    assert f"refused: the edit of metadata/objects/lab.yaml; version {version} stays in force" in done.output
    assert "objects/lab.yaml:11:28" in done.output
    told = json.loads(run("--json").output)
    assert list(told["refused"]) == ["objects/lab.yaml"] and told["written"] == []


def test_deletions_that_are_too_many_are_allowed_by_name(world: World) -> None:
    world.delete(*(path for path in world.state().files if "lab" not in path))
    done = run()
    assert done.exit_code == 1 and "the deletion of metadata/objects/kit.yaml" in done.output
    assert "--allow-deletions" in done.output and "sfdc_to_s3__kit.py" in world.files()
    assert run("--allow-deletions").exit_code == 0
    assert "sfdc_to_s3__kit.py" not in world.files()
