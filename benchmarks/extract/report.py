"""What was measured, as records and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from benchmarks.extract.measure import Usage

_MB = 1e6


@dataclass(frozen=True)
class Result:
    """One run. `csv_bytes` are those of the rows as Bulk's CSV, whoever read them and however."""

    name: str
    rows: int
    csv_bytes: int
    usage: Usage
    api_calls: int
    org_cpu_seconds: float
    sink_cpu_seconds: float
    told: Mapping[str, object]

    @property
    def rows_per_second(self) -> float:
        """Of the whole process."""
        return self.rows / self.usage.seconds

    @property
    def pages_rows_per_second(self) -> float | None:
        """While pages were read, for those that tell."""
        seconds = self.told.get("pages_seconds")
        return self.rows / float(str(seconds)) if seconds else None

    def to_json(self) -> dict[str, object]:
        """The record."""
        return {
            **asdict(self),
            "rows_per_second": self.rows_per_second,
            "pages_rows_per_second": self.pages_rows_per_second,
        }


def line(result: Result) -> str:
    """A run as a line of progress."""
    return (
        f"{result.name}: {result.rows:,} rows in {result.usage.seconds:.1f} s, {result.rows_per_second:,.0f} rows/s, "
        f"{result.usage.peak_pss_bytes / _MB:,.0f} MB, {result.api_calls} API calls"
    )


def table(results: Sequence[Result]) -> list[str]:
    """A line per contender and size: medians over its runs."""
    head = f"{'':10} {'rows':>11} {'seconds':>8} {'rows/s':>9} {'MB/s':>6} {'pages: rows/s':>14} {'peak MB':>8}"
    head += f" {'of Python':>9} {'calls':>6} {'per M':>6} {'CPU s':>6} {'org':>5} {'S3':>5}"
    keys = list(dict.fromkeys((one.name, one.rows) for one in results))
    return [head, *(_row([one for one in results if (one.name, one.rows) == key]) for key in keys)]


def ratios(results: Sequence[Result]) -> list[str]:
    """Ours against everybody: whole processes, and pages against pages."""
    speeds = {name: _median([one.rows_per_second for one in results if one.name == name]) for name in _names(results)}
    pages = {
        name: _median([one.pages_rows_per_second or 0.0 for one in results if one.name == name])
        for name in _names(results)
    }
    if "ours" not in speeds:
        return []
    lines = [
        f"ours / {name}: {speeds['ours'] / speed:.2f} × the rows/s of the whole process"
        for name, speed in speeds.items()
        if name != "ours"
    ]
    lines += [
        f"ours once Spark is up / {name} once it has its pages: {pages['ours'] / pages[name]:.0%}"
        for name in ("raw", "arrow", "plain", "bulk2")
        if pages.get(name)
    ]
    return lines


def memory_slopes(results: Sequence[Result]) -> list[str]:
    """Peak memory by size, for those that ran at two sizes."""
    return [text for name in _names(results) for text in _slope([one for one in results if one.name == name])]


def _slope(runs: Sequence[Result]) -> list[str]:
    sizes = sorted({one.rows for one in runs})
    if len(sizes) < 2:
        return []
    small, large = sizes[0], sizes[-1]
    whole = [_median([one.usage.peak_pss_bytes for one in runs if one.rows == rows]) for rows in (small, large)]
    python = [_median([one.usage.peak_python_pss_bytes for one in runs if one.rows == rows]) for rows in (small, large)]
    return [
        f"{runs[0].name}: {whole[0] / _MB:,.0f} MB at {small:,} rows, {whole[1] / _MB:,.0f} MB at {large:,}, "
        f"{(whole[1] - whole[0]) / (large - small):+,.0f} bytes a row; of Python processes "
        f"{python[0] / _MB:,.0f} and {python[1] / _MB:,.0f} MB ({python[1] / python[0] - 1:+.1%})"
    ]


def _row(runs: Sequence[Result]) -> str:
    first = runs[0]
    speed, calls = _median([one.rows_per_second for one in runs]), _median([one.api_calls for one in runs])
    pages = [one.pages_rows_per_second for one in runs if one.pages_rows_per_second]
    peak, python = (_median([getattr(one.usage, f"peak_{kind}pss_bytes") for one in runs]) for kind in ("", "python_"))
    cpu = _median([one.usage.cpu_seconds for one in runs])
    org, sink = (_median([getattr(one, f"{name}_cpu_seconds") for one in runs]) for name in ("org", "sink"))
    return (
        f"{first.name:10} {first.rows:>11,} {_median([one.usage.seconds for one in runs]):>8.1f} {speed:>9,.0f} "
        f"{speed * first.csv_bytes / first.rows / _MB:>6.1f} {f'{_median(pages):,.0f}' if pages else '':>14} "
        f"{peak / _MB:>8,.0f} {python / _MB:>9,.0f} {calls:>6,.0f} {calls / first.rows * 1e6:>6,.0f} "
        f"{cpu:>6.1f} {org:>5.1f} {sink:>5.1f}"
    )


def _names(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(one.name for one in results))


def _median(values: Sequence[float]) -> float:
    return float(median(values))
