"""The report's plots and rates: scales, gaps, labels that do not cover one another, and what is told of checks."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idiscover.aws.job_metadata_checks import CheckResult, StoredResult
from idiscover.aws.report_rows import declared_checks, failed_checks
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.report.charts import HEIGHT, Line, Part, bar_chart, line_chart, stacked_columns
from idiscover.report.figures import ALL, BiomarkerRow, FailedCheck, Figures, Rates, UptakeRow
from idiscover.report.page import render_report

from tests.unit.metadata_samples import REPOSITORY

MONTHS = [f"2025-{month:02}" for month in range(1, 13)]


def _shown(value: Decimal) -> str:
    return f"{value:.2f}"


def _numbers(svg: str, pattern: str) -> list[float]:
    return [float(value) for value in re.findall(pattern, svg)]


@given(st.lists(st.one_of(st.none(), st.decimals(0, 10**9, places=3)), min_size=1, max_size=40))
def test_any_values_stay_within_the_plot(values: list[Decimal | None]) -> None:
    """Nulls, zeros and a single value too; and the plot is XML."""
    svg = line_chart("t", [str(place) for place in range(len(values))], [Line("a", values)], _shown)
    ElementTree.fromstring(svg)
    heights = _numbers(svg, r'cy="([-0-9.]+)"')
    assert len(heights) == sum(value is not None for value in values)
    assert all(0 <= height <= HEIGHT for height in heights)


def test_a_gap_parts_a_line() -> None:
    svg = line_chart("t", MONTHS[:4], [Line("a", [Decimal(1), None, Decimal(2), Decimal(3)])], _shown)
    (path,) = re.findall(r' d="([^"]+)"', svg)
    assert path.count("M") == 2 and path.count("L") == 1


def test_labels_of_lines_that_end_together_do_not_cover_one_another() -> None:
    lines = [Line(f"country {number}", [Decimal("0.5")] * 12) for number in range(7)]
    heights = sorted(_numbers(line_chart("t", MONTHS, lines, _shown), r'<text class="t\d" x="[0-9.]+" y="([-0-9.]+)"'))
    assert len(heights) == 7 and min(b - a for a, b in pairwise(heights)) >= 14
    assert heights[-1] <= HEIGHT


@pytest.mark.parametrize("most", ["0.0001", "0.07", "0.999", "1", "7", "42", "999", "123456789"])
def test_an_axis_reaches_its_greatest_value_in_a_few_round_steps(most: str) -> None:
    svg = line_chart("t", MONTHS[:2], [Line("a", [Decimal(0), Decimal(most)])], lambda value: f"{value:f}")
    ticks = [Decimal(text) for text in re.findall(r'text-anchor="end">([0-9.]+)<', svg)]
    assert 3 <= len(ticks) <= 7 and ticks[0] == 0 and ticks[-2] < Decimal(most) <= ticks[-1]
    assert all(len(tick.normalize().as_tuple().digits) <= 3 for tick in ticks)


def test_bars_and_stacks_are_as_long_as_their_values() -> None:
    bars = _numbers(bar_chart("t", [("a", Decimal(2)), ("b", Decimal(1)), ("c", None)], _shown), r'width="([0-9.]+)"')
    assert bars[0] == pytest.approx(2 * bars[1]) and bars[2] == 0
    svg = stacked_columns("t", ["Q1", "Q2"], [Part("met", [3, 0]), Part("open", [1, 4])])
    heights = _numbers(svg, r'height="([0-9.]+)"><title>')
    assert len(heights) == 3 and heights[0] == pytest.approx(3 * heights[1], abs=0.2)
    assert heights[2] == pytest.approx(heights[0] + heights[1], abs=0.2)


def test_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>&"
    figures = Figures(
        evil,
        datetime(2026, 1, 6),
        {"DE": evil},
        [UptakeRow("DE", date(2025, 1, 1), Decimal(10), Decimal(4), Decimal(1), Decimal(20), Decimal(4))],
        [BiomarkerRow(evil, evil, Decimal(10), Decimal(4), Decimal(20), Decimal(4))],
        (),
        (),
        (),
        [FailedCheck(evil, evil, "warn", date(2026, 1, 5), ("DE",))],
    )
    page = render_report(figures)
    assert "<script" not in page and "&lt;script&gt;" in page and "40.0 %" in page and "Checks that failed" in page


def test_rates_are_quotients_of_sums() -> None:
    month, later = date(2025, 1, 1), date(2025, 2, 1)
    rates = Rates.of(
        [
            ("DE", month, Decimal(1), Decimal(2)),
            ("FR", month, Decimal(9), Decimal(98)),
            ("FR", later, Decimal(5), Decimal(0)),
        ]
    )
    assert rates.rate(ALL, month) == Decimal("0.1") and rates.rate("FR", later) is None
    assert rates.over("DE", [month, later]) == Decimal("0.5") and rates.largest(1) == ["FR"]
    assert rates.rate("XX", month) is None


def test_only_checks_that_are_declared_are_told_once_each_and_without_keys() -> None:
    catalog = load_catalog(FolderReader(REPOSITORY / "metadata"))

    def failed(table: str, check: str, country: str, day: int) -> StoredResult:
        result = CheckResult(check, "unique_key", "fail", 2, ("a-key",))
        return StoredResult(table, result, country, "run", date(2026, 1, day), datetime(2026, 1, day))

    told = failed_checks(
        [
            failed("dm.dim_lab", "unique_key", "FR", 5),
            failed("dm.dim_lab", "unique_key", "DE", 6),
            failed("dm.dim_lab", "of_last_year", "DE", 6),
            failed("dm.gone", "unique_key", "DE", 6),
        ],
        declared_checks(catalog),
    )
    assert told == [FailedCheck("dm.dim_lab", "unique_key", "fail", date(2026, 1, 6), ("DE", "FR"))]


def test_an_axis_of_whole_numbers_has_no_decimals() -> None:
    def labels(most: str) -> list[str]:
        svg = line_chart("rates", ["2026-01"], [Line("all", [Decimal(most)])], lambda value: f"{value * 100:.1f} %")
        return re.findall(r'text-anchor="end">([^<]+)<', svg)

    assert labels("0.9") == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert labels("0.11") == ["0.0 %", "2.5 %", "5.0 %", "7.5 %", "10.0 %", "12.5 %"]
