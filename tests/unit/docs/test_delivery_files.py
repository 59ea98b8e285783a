"""Jenkinsfile and docker-compose.yml against what they name: verbs, options, files."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import typer
import yaml
from idiscover.cli.app import app
from idiscover.cli.places import read_context
from idiscover.cli.verbs import load_verbs
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[3]
JENKINSFILE = (ROOT / "Jenkinsfile").read_text(encoding="utf-8")
SHELL_STEPS = re.findall(r"sh '([^']+)'", JENKINSFILE)
VARIABLES = {
    "$IDISCOVER": "idiscover",
    "$DRY": "--dry-run",
    "$EDITS": "--keep-edits --overwrite",
    '"$CONTEXT"': "c.yaml",
}


def options_of(words: list[str]) -> tuple[set[str], list[str]]:
    """Options that the verb at the end of `words` takes, and what is left of the words behind it."""
    load_verbs()
    command = get_command(app)
    while isinstance(command, typer.core.TyperGroup) and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return {option for item in command.params for option in item.opts}, words


@pytest.mark.parametrize("step", [step for step in SHELL_STEPS if "$IDISCOVER" in step])
def test_every_stage_is_a_verb_with_these_options(step: str) -> None:
    for variable, text in VARIABLES.items():
        step = step.replace(variable, text)
    name, *words = step.split()
    assert name == "idiscover"
    known, rest = options_of(words)
    given = {word for word in rest if word.startswith("--")}
    assert given <= known
    assert [word for word in rest if not word.startswith("-")] == [
        word for option, word in pairwise(rest) if option.startswith("--") and word[0] != "-"
    ], "a word that is no verb, and no option's value"


def test_the_stages_come_in_this_order() -> None:
    assert re.findall(r"stage\('([^']+)'\)", JENKINSFILE) == [
        "Set up", "Lint", "Test", "Build", "Plan", "Approve", "Deploy", "Smoke",
    ]  # fmt: skip


def stages() -> dict[str, str]:
    """Name of each stage → its text."""
    parts = re.split(r"stage\('([^']+)'\)", JENKINSFILE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_only_main_uses_the_role_that_changes_anything() -> None:
    """Any branch may plan, with a role that only reads; each call of AWS is inside of one of the two."""
    for name, text in stages().items():
        roles = set(re.findall(r"credentialsId: env\.(\w+)", text))
        verbs = [step for step in re.findall(r"sh '([^']+)'", text) if "--context" in step]
        assert roles == ({"PLAN_ROLE"} if name == "Plan" else {"DEPLOY_ROLE"} if verbs else set()), name
        if name == "Plan":
            assert verbs and all("--dry-run" in step for step in verbs)
        elif roles:
            assert "branch 'main'" in text, name
    assert "branch 'main'" in stages()["Approve"]
    for role in ("plan", "deploy"):
        assert f'{role.upper()}_ROLE = "idiscover-${{params.ENVIRONMENT}}-{role}"' in JENKINSFILE


def test_the_policy_of_the_role_that_plans_only_reads() -> None:
    text = (ROOT / "docs" / "releasing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    actions = [
        action
        for item in json.loads(block)["Statement"]
        for action in ([item["Action"]] if isinstance(item["Action"], str) else item["Action"])
    ]
    assert actions and all(re.fullmatch(r"(s3|airflow):(Get|List)\w+", action) for action in actions)


def test_every_environment_that_can_be_chosen_has_a_context() -> None:
    choices = re.search(r"name: 'ENVIRONMENT', choices: \[([^\]]+)\]", JENKINSFILE)
    assert choices is not None
    for name in set(re.findall(r"'([^']+)'", choices[1])) - {"none"}:
        assert read_context(str(ROOT / "context" / f"{name}.yaml")).environment == name


def test_braces_and_brackets_of_the_pipeline_are_balanced() -> None:
    code = re.sub(r"'[^'\n]*'|\"[^\"\n]*\"|//[^\n]*", "", JENKINSFILE)
    for opening, closing in ("{}", "()", "[]"):
        assert code.count(opening) == code.count(closing)


def test_the_container_is_made_of_files_that_are_there() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    stack = compose["services"]["stack"]
    dockerfile = ROOT / stack["build"]["context"] / stack["build"]["dockerfile"]
    assert (ROOT / "local" / "container" / "run.sh").is_file()
    assert "local/container/run.sh" in dockerfile.read_text(encoding="utf-8")
    volume, _, folder = stack["volumes"][0].partition(":")
    assert volume in compose["volumes"]
    assert f"ENV IDISCOVER_STACKS={folder}\n" in dockerfile.read_text(encoding="utf-8")
    assert stack["network_mode"] == "host", "everything listens on 127.0.0.1"
