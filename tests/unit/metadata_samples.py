"""A small, sound set of metadata for tests to break, and a reader that serves it from memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from idiscover.metadata.loading import load_catalog, parse_context
from idiscover.metadata.models import Catalog, Context
from idiscover.warehouse.release import ReleaseStatement, release

REPOSITORY = Path(__file__).resolve().parents[2]

LAB = """\
object: lab
salesforce_object: Account
description: Labs.
grain: one row per lab
owner: {name: Lab Team, email: labs@example.com}
schedule: "0 0 * * *"
key: id
country: {rule: column, column: country_code}
load_mode: delta
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: IsDeleted, type: boolean, column: is_deleted, description: In the bin.}
  - {salesforce: Name, type: string, length: 255, column: name, description: "Lab's name | title", pii: personal}
  - {salesforce: Country_Code__c, type: string, length: 2, column: country_code, description: Country.}
  - {salesforce: Fee__c, type: currency, precision: 18, scale: 2, column: order, description: A reserved word.}
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
"""

TEST = """\
object: test
salesforce_object: Test__c
description: Tests.
grain: one row per test
owner: {name: Lab Team, email: labs@example.com}
schedule: "0 0 * * *"
key: id
country: {rule: via, column: lab_id, object: lab}
load_mode: delta
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: IsDeleted, type: boolean, column: is_deleted, description: In the bin.}
  - {salesforce: Lab__c, type: reference, column: lab_id, description: Lab.}
  - {salesforce: Notes__c, type: textarea, length: 32768, column: notes, description: Notes.}
  - {salesforce: Count__c, type: int, column: count, description: How many.}
  - {salesforce: Day__c, type: date, column: day, description: When.}
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
"""

UNIT = """\
object: unit
salesforce_object: Unit__c
description: Units of measure.
grain: one row per unit
owner: {name: Lab Team, email: labs@example.com}
schedule: "0 0 * * *"
key: id
country: {rule: none}
load_mode: delta
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: IsDeleted, type: boolean, column: is_deleted, description: In the bin.}
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
"""

RESULT = """\
object: result
salesforce_object: Result__c
description: Results of tests.
grain: one row per result
owner: {name: Lab Team, email: labs@example.com}
schedule: "0 0 * * *"
key: id
country: {rule: via, column: test_id, object: test}
load_mode: delta
history: true
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: Test__c, type: reference, column: test_id, description: Test.}
  - {salesforce: Value__c, type: double, precision: 10, scale: 3, column: value, description: What came out.}
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
"""

KIT = """\
object: kit
salesforce_object: Kit__c
description: Kits.
grain: one row per kit
owner: {name: Lab Team, email: labs@example.com}
schedule: "0 0 * * *"
key: id
country: {rule: none}
load_mode: full
fields:
  - {salesforce: Id, type: id, column: id, description: Record id.}
  - {salesforce: Age__c, type: int, column: age, calculated: true, description: Days since it was made.}
  - {salesforce: SystemModstamp, type: datetime, column: system_modstamp, description: Version.}
"""

DELTA = """\
object: {name}
field: SystemModstamp
lookback_minutes: 720
start: "2015-01-01T00:00:00Z"
filter: []
"""

ITG = """\
table: itg.{name}
family: stg_to_itg
description: Current state.
owner: {{name: Lab Team, email: labs@example.com}}
grain: [id]
inputs: [{inputs}]
statements: ["CALL itg.load_{name}(:country_code, :as_of_date, :run_id)"]
"""

DM = """\
table: dm.fact_test
family: itg_to_dm
description: Facts.
owner: {name: Mart Team, email: marts@example.com}
grain: [test_id]
inputs:
  - {table: itg.test, marks: same}
  - {table: itg.unit, marks: all}
cut_off_hours: 4
statements:
  - CALL dm.load_fact_test(:country_code, :as_of_date, :run_id)
columns:
  - {name: country_code, description: Country.}
  - {name: test_id, description: The test.}
  - {name: count, caption: Times, description: How often.}
  - {name: price, description: "What it cost, in EUR."}
"""


def sample_files() -> dict[str, str]:
    """Path relative to `metadata/` → text."""
    return {
        "objects/lab.yaml": LAB,
        "objects/test.yaml": TEST,
        "objects/unit.yaml": UNIT,
        "objects/result.yaml": RESULT,
        "objects/kit.yaml": KIT,
        **{f"delta_filter/{name}.yaml": DELTA.format(name=name) for name in ("kit", "lab", "test", "unit")},
        "delta_filter/result.yaml": DELTA.format(name="result") + "sweep: daily\n",
        "tables/itg.lab.yaml": ITG.format(name="lab", inputs="{table: stg.lab}"),
        "tables/itg.test.yaml": ITG.format(name="test", inputs="{table: stg.test}, {table: itg.lab}"),
        "tables/itg.result.yaml": ITG.format(name="result", inputs="{table: stg.result}, {table: itg.test}"),
        "tables/itg.kit.yaml": ITG.format(name="kit", inputs="{table: stg.kit}"),
        "tables/itg.unit.yaml": ITG.format(name="unit", inputs="{table: stg.unit}"),
        "tables/dm.fact_test.yaml": DM,
        "README.md": "not metadata",
    }


SQL_OF_FACT_TEST = (
    ReleaseStatement(
        "ddl/dm/fact_test.sql",
        "create table if not exists dm.fact_test (\n    country_code varchar(2) not null,\n    test_id varchar(18),\n"
        '    "count" bigint,\n    price numeric(18, 2)\n);',
    ),
    ReleaseStatement(
        "procedures/itg_to_dm/load_fact_test.sql",
        "create or replace procedure dm.load_fact_test (\n    p_country_code varchar(2), p_as_of_date date,"
        " p_run_id varchar(256)\n)\nas $$\nbegin\nend;\n$$ language plpgsql;",
    ),
)


def sample_release(files: dict[str, str]) -> list[ReleaseStatement]:
    """What a release of `files` runs: of the sample's table of dm too."""
    return [*release(load_catalog(MemoryReader(files)), REPOSITORY / "sql"), *SQL_OF_FACT_TEST]


class MemoryReader:
    """Files from a dict; a version is a hash."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def list(self) -> list[str]:
        """All paths, in no particular order."""
        return sorted(self._files, reverse=True)

    def read(self, path: str) -> tuple[str, str]:
        """Text and version."""
        text = self._files[path]
        return text, hashlib.sha256(text.encode()).hexdigest()[:12]


def sample_catalog() -> Catalog:
    """The sample, loaded."""
    return load_catalog(MemoryReader(sample_files()))


def sample_context() -> Context:
    """The laptop's settings."""
    path = REPOSITORY / "context" / "local.yaml"
    return parse_context(path.read_text(encoding="utf-8"), "context/local.yaml")
