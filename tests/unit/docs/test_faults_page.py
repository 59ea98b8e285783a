"""docs/faults.md tells of the faults that are tested, and of no others."""

from __future__ import annotations

import ast
import json

import pytest

from local.salesforce.faults import EFFECTS, Effect, Kind
from tests.integration import fault_cases
from tests.unit.docs.pages import DOCS, REPOSITORY, blocks, section, table

PAGE = DOCS / "faults.md"
TESTS = REPOSITORY / "tests" / "integration" / "test_extraction_faults.py"
SECTIONS = {
    "Connections": ("test_a_fault_of_salesforce", fault_cases.CONNECTION_FAULTS),
    "Sessions and logins": ("test_a_fault_of_salesforce", fault_cases.SESSION_FAULTS),
    "Limits and outages": ("test_a_fault_of_salesforce", fault_cases.LIMIT_FAULTS),
    "Queries and their jobs": ("test_a_fault_of_salesforce", fault_cases.JOB_FAULTS),
    "Lists of pages, and locators": ("test_a_fault_of_salesforce", fault_cases.PAGE_LIST_FAULTS),
    "Contents and headers": ("test_a_fault_of_salesforce", fault_cases.CONTENT_FAULTS),
    "S3": ("test_a_fault_of_s3", fault_cases.S3_FAULTS),
    "Kills": ("test_a_kill", fault_cases.KILLS),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_table_has_each_case_as_it_is_tested(heading: str) -> None:
    test, cases = SECTIONS[heading]
    told = section(PAGE, heading)
    assert f"`{test}`" in told
    assert table(told) == [[case.fault, case.outcome, f"`{case.name}`"] for case in cases]


def test_every_case_is_run_and_told() -> None:
    told = [case for _, cases in SECTIONS.values() for case in cases]
    assert told == [*fault_cases.SALESFORCE_FAULTS, *fault_cases.S3_FAULTS, *fault_cases.KILLS]
    assert len({case.name for case in told}) == len(told) > 60
    parameters = _parameters()
    assert {test: parameters[test] for test, _ in SECTIONS.values()} == {
        "test_a_fault_of_salesforce": "SALESFORCE_FAULTS",
        "test_a_fault_of_s3": "S3_FAULTS",
        "test_a_kill": "KILLS",
    }


def _parameters() -> dict[str, str]:
    """Test → the table whose rows it is run with."""
    found = {}
    for node in ast.parse(TESTS.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and "parametrize" in ast.unparse(mark.func):
                    found[node.name] = ast.unparse(mark.args[1])
    return found


def test_the_plans_of_the_page_are_plans() -> None:
    plans = [json.loads(block.text) for block in blocks(PAGE, "text")]
    assert plans
    for plan in plans:
        effect = Effect(plan["effect"])
        Kind(plan["on"])
        needed = {name for name, argument in EFFECTS[effect].items() if argument.default is None}
        assert needed <= set(plan)
