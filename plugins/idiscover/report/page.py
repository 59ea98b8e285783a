"""The report as one HTML file: no script, no network, plots inline, the same numbers in tables beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape

from idiscover.report.charts import COLOURS, Line, Part, Shown, Value, bar_chart, line_chart, stacked_columns
from idiscover.report.figures import ALL, Figures, Rates, quotient
from idiscover.report.styles import STYLES

_MONTHS = 24  # of a plot
_BARS = 10
_NAMED = COLOURS - 1  # countries beside the line of all
_NO_QUARTER = date(1900, 1, 1)

Cells = Sequence[Sequence[str]]


def render_report(figures: Figures) -> str:
    """The page; it needs nothing but a browser."""
    sections = [_head(figures), _checks(figures), _uptake(figures), _turnaround(figures), _objectives(figures)]
    sections += [_coverage(figures), _freshness(figures)]
    title = f"iDiscover: the marts of {escape(figures.environment)}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLES}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def _head(figures: Figures) -> str:
    loaded = [row.loaded_at for row in figures.freshness if row.loaded_at is not None and row.table.startswith("dm.")]
    worst = [row for row in figures.freshness if row.status in ("Different", "Empty")]
    quiet = sum(row.status == "Quiet" for row in figures.freshness)
    count = f"{len(worst)} table{'' if len(worst) == 1 else 's'}"
    state = f"{count} unlike the source, or empty" if worst else "all agree with their source"
    facts = [
        ("newest load of the marts", _time(max(loaded, default=None))),
        ("oldest load of the marts", _time(min(loaded, default=None))),
        ("tables", f"{state}; {quiet} without a change for more than 7 days"),
        ("asked", _time(figures.made_at_utc)),
    ]
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    return (
        f"<header><h1>What the marts say</h1><p>Environment {escape(figures.environment)}; times are UTC.</p>"
        f'<dl class="facts">{shown}</dl>{_tiles(figures)}</header>'
    )


def _tiles(figures: Figures) -> str:
    testing, turnaround, coverage = _testing(figures), _tat(figures), _covering(figures)
    year = testing.months[-12:]
    met, all_ = _attained(figures)
    tiles = [
        ("Testing rate, 12 months", _percent_or_dash(testing.over(ALL, year)), "tested of eligible patients"),
        ("Mean turnaround", _days_or_dash(turnaround.over(ALL, year)), "days, weighted by tested patients"),
        ("Objectives met", _percent_or_dash(quotient(met, all_)), f"{met:,.0f} of {all_:,.0f} agreed"),
        ("Labs visited", _percent_or_dash(_last(coverage)), "of covered labs, in the last full month"),
    ]
    return '<div class="tiles">{}</div>'.format(
        "".join(
            f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span><small>{escape(what)}</small></div>'
            for name, value, what in tiles
        )
    )


def _checks(figures: Figures) -> str:
    if not figures.failed_checks:
        return ""
    rows = [
        (item.table, item.check, item.severity, item.order_date.isoformat(), ", ".join(item.countries))
        for item in figures.failed_checks
    ]
    head = ("table", "check", "severity", "order date", "countries")
    return (
        '<section class="alarm" role="alert"><h2>Checks that failed last time</h2>'
        "<p>With severity fail, the rows shown here are those of the last good load.</p>"
        f"{_table(head, rows)}</section>"
    )


def _uptake(figures: Figures) -> str:
    rates = _testing(figures)
    bars = sorted(
        (
            (f"{row.biomarker} ({row.area})", quotient(row.tested, row.eligible), row.eligible)
            for row in figures.biomarkers
        ),
        key=lambda bar: -bar[2],
    )[:_BARS]
    largest = [(name, rate) for name, rate, _ in bars]
    return _section(
        "Testing uptake",
        "Tested of eligible patients, by month, up to the last full one.",
        _by_month(figures, rates, "Testing rate by month", _percent),
        f"Biomarkers with the most eligible patients, last 12 full months (at most {_BARS}).",
        bar_chart("Testing rate by biomarker, 12 months", largest, _percent),
        _bar_table("biomarker", "testing rate", largest, _percent),
    )


def _turnaround(figures: Figures) -> str:
    rates = _tat(figures)
    bars = sorted(
        ((f"{row.biomarker} ({row.area})", quotient(row.tat_days, row.tat_patients)) for row in figures.biomarkers),
        key=lambda bar: -(bar[1] or 0),
    )[:_BARS]
    return _section(
        "Turnaround time",
        "Days from the sample's arrival to the result, by month: means of the labs' medians, each weighted"
        " by all tested patients of its country, biomarker and month.",
        _by_month(figures, rates, "Mean turnaround time by month, days", _days),
        f"The slowest biomarkers, last 12 full months (at most {_BARS}).",
        bar_chart("Mean turnaround time by biomarker, days", bars, _days),
        _bar_table("biomarker", "days", bars, _days),
    )


def _objectives(figures: Figures) -> str:
    rows = [row for row in figures.objectives if row.quarter != _NO_QUARTER]
    labels = [_quarter(row.quarter) for row in rows]
    stack = [
        Part("met", [row.met for row in rows], "good"),
        Part("missed", [row.missed for row in rows], "bad"),
        Part("overdue", [row.overdue for row in rows], "late"),
        Part("open", [row.objectives - row.met - row.missed - row.overdue for row in rows], "open"),
    ]
    undated = sum(row.objectives for row in figures.objectives if row.quarter == _NO_QUARTER)
    cells = [
        (
            label,
            f"{row.objectives:,}",
            f"{row.met:,}",
            f"{row.missed:,}",
            f"{row.overdue:,}",
            _percent_or_dash(_rate(row.met, row.objectives)),
        )
        for label, row in zip(labels, rows, strict=True)
    ]
    head = ("quarter", "objectives", "met", "missed", "overdue", "attainment")
    return _section(
        "Objectives",
        f"Objectives agreed with labs, by the quarter in which they are due; {undated:,} have no due date.",
        stacked_columns("Objectives by quarter and status", labels, stack) + _details(_table(head, cells)),
    )


def _coverage(figures: Figures) -> str:
    rates = _covering(figures)
    visits = Rates.of((row.country_code, row.month, row.visits, row.covered) for row in figures.coverage)
    last = rates.months[-1:]
    bars = [(_name(figures, code), visits.over(code, last)) for code in visits.largest(_BARS)]
    return _section(
        "Field coverage",
        "Covered labs that were visited in the month; coverage is that of today.",
        _by_month(figures, rates, "Coverage rate by month", _percent),
        "Visits per covered lab in the last full month, by country.",
        bar_chart("Visits per covered lab, last full month", bars, _two),
        _bar_table("country", "visits per lab", bars, _two),
    )


def _freshness(figures: Figures) -> str:
    head = ("table", "status", "rows", "source is known up to", "loaded at")
    rows = [
        (row.table, row.status, f"{row.rows:,}", _time(row.high_water_at), _time(row.loaded_at))
        for row in figures.freshness
    ]
    return _section(
        "Freshness of every table", "From dm.v_dm_data_freshness.", _details(_table(head, rows), "All tables")
    )


def _by_month(figures: Figures, rates: Rates, title: str, shown: Shown) -> str:
    """A line per large country and one of all, and the table of the same numbers. A country has one colour in all."""
    months, names = rates.months[-_MONTHS:], [ALL, *_testing(figures).largest(_NAMED)]
    labels = [f"{month:%Y-%m}" for month in months]
    lines = [Line(_name(figures, name), [rates.rate(name, month) for month in months], name == ALL) for name in names]
    cells = [[label, *(_or_dash(line.values[place], shown) for line in lines)] for place, label in enumerate(labels)]
    table = _table(("month", *(line.name for line in lines)), cells)
    return line_chart(title, labels, lines, shown) + _details(table)


def _testing(figures: Figures) -> Rates:
    return Rates.of((row.country_code, row.month, row.tested, row.eligible) for row in figures.uptake)


def _tat(figures: Figures) -> Rates:
    return Rates.of((row.country_code, row.month, row.tat_days, row.tat_patients) for row in figures.uptake)


def _covering(figures: Figures) -> Rates:
    return Rates.of((row.country_code, row.month, row.visited, row.covered) for row in figures.coverage)


def _attained(figures: Figures) -> tuple[Decimal, Decimal]:
    met, all_ = (sum(getattr(row, key) for row in figures.objectives) for key in ("met", "objectives"))
    return Decimal(met), Decimal(all_)


def _last(rates: Rates) -> Value:
    return rates.over(ALL, rates.months[-1:])


def _rate(above: int, below: int) -> Value:
    return quotient(Decimal(above), Decimal(below))


def _name(figures: Figures, code: str) -> str:
    return code if code == ALL else figures.countries.get(code, "Unknown" if code == "ZZ" else code)


def _section(title: str, what: str, *parts: str) -> str:
    first, *rest = parts
    figures = [f"<p>{part}</p>" if not part.startswith("<") else part for part in rest]
    return f"<section><h2>{escape(title)}</h2><p>{escape(what)}</p>{first}{''.join(figures)}</section>"


def _bar_table(name: str, value: str, bars: Iterable[tuple[str, Value]], shown: Shown) -> str:
    return _details(_table((name, value), [(label, _or_dash(number, shown)) for label, number in bars]))


def _details(table: str, title: str = "The numbers") -> str:
    return f"<details><summary>{title}</summary>{table}</details>"


def _table(head: Sequence[str], rows: Cells) -> str:
    first = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>'


def _percent(value: Decimal) -> str:
    return f"{value * 100:.1f} %"


def _days(value: Decimal) -> str:
    return f"{value:,.1f}"


def _two(value: Decimal) -> str:
    return f"{value:,.2f}"


def _or_dash(value: Value, shown: Shown) -> str:
    return "–" if value is None else shown(value)


def _percent_or_dash(value: Value) -> str:
    return _or_dash(value, _percent)


def _days_or_dash(value: Value) -> str:
    return _or_dash(value, _days)


def _quarter(day: date) -> str:
    return f"{day.year} Q{(day.month + 2) // 3}"


def _time(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
