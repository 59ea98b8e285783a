"""The verdicts: a difference at any one place turns its hop, and the exit status; nothing counted is no agreement."""

from __future__ import annotations

import csv
import gzip
import io
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.plan.model import BatchContent
from rich.console import Console

from local.demo import verification
from local.demo.report import print_verdict
from local.demo.verification import Hop, rows_in_file, verify_day

DAY = "2026-01-05"
ROWS = 3
IDS = 5
WINDOW_ROWS = {"account": ROWS, "unit": 0}

figures = st.integers(0, 3) | st.none()


@given(st.dictionaries(st.text(min_size=1, max_size=3), figures, max_size=4))
def test_a_hop_agrees_if_every_place_has_the_same_number(found: dict[str, int | None]) -> None:
    values = list(found.values())
    expected = len(values) > 0 and all(value is not None and value == values[0] for value in values)
    assert Hop("x", found).agrees is expected


def test_a_decimal_and_an_int_of_the_same_value_agree() -> None:
    assert Hop("sums", {"itg": Decimal("12"), "dm": 12}).agrees


@pytest.mark.parametrize(
    ("hops", "status"),
    [
        ([Hop("a", {"x": 1, "y": 1})], 0),
        ([Hop("a", {"x": 1, "y": 1}), Hop("b", {"x": 1, "y": 2})], 1),
        ([Hop("a", {"x": 1, "y": None})], 1),
        ([], 1),
    ],
)
def test_the_exit_status_is_0_only_if_every_hop_agrees(hops: list[Hop], status: int) -> None:
    console = Console(file=io.StringIO(), width=200)
    assert print_verdict(console, hops) == status


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)))
def test_rows_are_records_not_lines(records: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([["id", "notes"], *records])
    assert rows_in_file(io.BytesIO(gzip.compress(text.getvalue().encode()))) == len(records)


class SmallStand:
    """A stand of one object with one batch and one mart; each figure can be set apart."""

    def __init__(self) -> None:
        spec = {name: SimpleNamespace(has_is_deleted=True, salesforce_object="X") for name in WINDOW_ROWS}
        source = SimpleNamespace(table="itg.account", keeps="live")
        tables = {"dm.fact_account": SimpleNamespace(source=source), "dm.dm_account": SimpleNamespace(source=None)}
        self.catalog = SimpleNamespace(objects=spec, tables=tables)
        self.bucket = SimpleNamespace(read_text=self._text, open_reader=self._file)
        self.salesforce = SimpleNamespace(count=lambda soql: self.in_org)
        self.batches = ["account", "unit"]
        self.rows_in_files = ROWS
        self.copied: int | None = ROWS
        self.in_org = self.in_itg = self.in_dm = 7
        self.ids_copied = IDS
        self.itg = [("DE", 36, 16, 5), ("FR", 1, 1, 0)]
        self.dm: list[tuple[Any, ...]] = [("DE", Decimal(36), Decimal(16), Decimal(5)), ("FR", 1, 1, 0)]

    def _text(self, key: str) -> str:
        return key

    def _file(self, key: str) -> io.BytesIO:
        lines = '"id"\n' + '"x"\n' * (IDS if "ids" in key else self.rows_in_files)
        return io.BytesIO(gzip.compress(lines.encode()))

    def job_metadata(self, sql: str, values: object = None) -> list[tuple[Any, ...]]:
        """The registered batches of the day."""
        assert values == [DAY]
        return [(name, f"{name}-1", "run", f"source/{name}/{name}-1/manifest.json") for name in self.batches]

    def warehouse(self, sql: str, values: list[str] | None = None) -> list[tuple[Any, ...]]:
        """Ledger, counts of itg, sums."""
        if "batch_load" in sql:
            assert values is not None
            if '"ids"' in sql:
                return [(self.ids_copied,)]
            return [(self.copied,)] if values[0] == "account-1" and self.copied is not None else []
        if "dm.fact_account" in sql:
            return [(self.in_dm,)]
        if "dm_testing_uptake" in sql:
            return self.dm
        return self.itg if "sum(" in sql else [(self.in_itg,)]


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> SmallStand:
    """A stand on which everything agrees; requests and manifests are told by their keys."""

    def manifest(text: str) -> SimpleNamespace:
        rows = WINDOW_ROWS["account" if "account" in text else "unit"]
        files = (SimpleNamespace(key="part-0"),) if rows else ()
        ids = SimpleNamespace(
            files=(SimpleNamespace(key="ids-0"),), job_ids=("751",), counts=SimpleNamespace(parsed_rows=IDS, gone=0)
        )
        return SimpleNamespace(
            batch_id="account-1" if rows else "unit-1",
            files=files,
            job_ids=("750",) if rows else (),
            counts=SimpleNamespace(parsed_rows=rows, job_rows=rows, gone=0),
            ids=ids if rows else None,
        )

    def count(session: object, request: object, content: BatchContent = BatchContent.ROWS) -> int:
        return ROWS if content is BatchContent.ROWS else IDS

    def job(session: object, job_id: str) -> SimpleNamespace:
        return SimpleNamespace(rows=ROWS if job_id == "750" else IDS)

    monkeypatch.setattr(verification, "BatchManifest", SimpleNamespace(model_validate_json=manifest))
    monkeypatch.setattr(verification, "ExtractionRequest", SimpleNamespace(model_validate_json=str))
    monkeypatch.setattr(verification, "count_records", count)
    monkeypatch.setattr(verification, "read_job", job)
    return SmallStand()


def differing(stand: SmallStand) -> list[str]:
    """What differs."""
    return [hop.what for hop in verify_day(stand, DAY) if not hop.agrees]  # type: ignore[arg-type]


def test_everything_agrees_an_empty_batch_too(stand: SmallStand) -> None:
    hops = verify_day(stand, DAY)  # type: ignore[arg-type]
    assert [hop.what for hop in hops if not hop.agrees] == []
    assert [hop.what for hop in hops][:3] == ["batch account-1", "Ids of account-1", "batch unit-1"]
    assert len(hops) == 3 + 2 + 1 + 2 * 3


def test_a_missing_batch_is_a_difference(stand: SmallStand) -> None:
    stand.batches.remove("unit")
    assert differing(stand) == ["batch of unit"]


@pytest.mark.parametrize("rows", [ROWS - 1, ROWS + 1])
def test_rows_in_the_files_are_counted(stand: SmallStand, rows: int) -> None:
    stand.rows_in_files = rows
    assert differing(stand) == ["batch account-1"]


@pytest.mark.parametrize("copied", [None, 0, ROWS + 1])
def test_rows_copied_are_counted_and_a_batch_that_was_not_copied_differs(stand: SmallStand, copied: int | None) -> None:
    stand.copied = copied
    assert differing(stand) == ["batch account-1"]


@pytest.mark.parametrize("place", ["count_records", "read_job"])
def test_the_org_is_asked_anew(stand: SmallStand, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    answer = IDS + ROWS if place == "count_records" else SimpleNamespace(rows=IDS + ROWS)
    monkeypatch.setattr(verification, place, lambda *_: answer)
    assert differing(stand) == ["batch account-1", "Ids of account-1"]


def test_ids_copied_are_counted(stand: SmallStand) -> None:
    stand.ids_copied -= 1
    assert differing(stand) == ["Ids of account-1"]


def test_rows_that_dm_keeps_are_counted(stand: SmallStand) -> None:
    stand.in_dm -= 1
    assert differing(stand) == ["rows of dm.fact_account"]


def test_itg_is_compared_with_the_org(stand: SmallStand) -> None:
    stand.in_org += 1
    assert differing(stand) == ["itg.account without the deleted", "itg.unit without the deleted"]


def test_marts_are_compared_per_country_and_measure(stand: SmallStand) -> None:
    stand.dm[0] = ("DE", 36, 17, 5)
    assert differing(stand) == ["DE tested_patients"]


def test_a_country_that_is_only_in_one_of_them_differs(stand: SmallStand) -> None:
    stand.dm.pop()
    assert differing(stand) == ["FR eligible_patients", "FR tested_patients", "FR positive_patients"]
