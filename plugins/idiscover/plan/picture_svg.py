"""A picture of DAGs as SVG: columns from left to right in the order of the data, few crossings, no scripts. Pure.

The usual three steps for layered graphs: each DAG into the column of its longest way; an arrow that passes over columns
gets a point in each of them; then every column is sorted by the mean place of its neighbours, back and forth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from xml.sax.saxutils import escape, quoteattr

from idiscover.plan.model import Family
from idiscover.plan.picture import MAPPED, Node, Picture, Wake, layers_of

_CHARACTER, _LINE = 6.7, 16  # pixels of the monospaced font, wide and high
_PADDING, _COLUMN_GAP, _ROW_GAP, _POINT_HEIGHT, _MARGIN = 10, 70, 22, 10, 24
_SWEEPS = 8
_COLOURS = {
    Family.SFDC_TO_S3: ("#e3f0fb", "#2a6aa8"),
    Family.S3_TO_REDSHIFT: ("#e6f5ea", "#2f7d46"),
    Family.STG_TO_ITG: ("#fdf3dc", "#a06d0b"),
    Family.ITG_TO_DM: ("#f7e7f5", "#8c3f86"),
    Family.DM_TO_DM: ("#fbe6e3", "#a8402f"),
}
_STYLE = """text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1c2430}
.name{font-weight:700}.note{fill:#5a6472}
.wake{fill:none;stroke:#7a8594;stroke-width:1.3}.tip{fill:#7a8594}"""


@dataclass
class _Item:
    """A box, or the point of an arrow that passes through a column."""

    key: str
    column: int
    lines: tuple[tuple[str, str], ...] = ()  # class and text
    before: list[_Item] = field(default_factory=list)
    after: list[_Item] = field(default_factory=list)
    place: float = 0.0  # in its column
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        return _LINE * len(self.lines) + 2 * _PADDING if self.lines else _POINT_HEIGHT


def as_svg(picture: Picture, title: str) -> str:
    """The picture as a standalone SVG document.

    Args:
        picture: what to draw.
        title: what screen readers and browsers call it.
    """
    layers = layers_of(picture)
    boxes = {node.dag_id: _Item(node.dag_id, layers[node.dag_id], _lines(node)) for node in picture.nodes}
    ways = {(wake.source, wake.target): _way(boxes[wake.source], boxes[wake.target]) for wake in picture.wakes}
    items = {item.key: item for item in [*boxes.values(), *(item for way in ways.values() for item in way)]}
    columns = _sorted_columns(list(items.values()))
    width, height = _placed(columns)
    families = {node.dag_id: node.family for node in picture.nodes}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' width="{width:.0f}" height="{height:.0f}" role="img" aria-label={quoteattr(title)}>',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *(_arrow(wake, ways[wake.source, wake.target]) for wake in picture.wakes),
        *(_box(boxes[name], families[name]) for name in boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _lines(node: Node) -> tuple[tuple[str, str], ...]:
    tasks = [f"{task} × n" if task == MAPPED else task for task in node.tasks]
    shown = [f"{'' if number == 0 else '→ '}{task}" for number, task in enumerate(tasks)]
    if len(tasks) <= 3:
        shown = [" ".join(shown)]
    return (("name", node.dag_id), *(("note", note) for note in node.notes), *(("task", text) for text in shown))


def _way(source: _Item, target: _Item) -> list[_Item]:
    """From box to box, with a point in each column between them; neighbours know each other."""
    between = [_Item(f"{source.key} {target.key} {c}", c) for c in range(source.column + 1, target.column)]
    way = [source, *between, target]
    for left, right in pairwise(way):
        left.after.append(right)
        right.before.append(left)
    return way


def _sorted_columns(items: Sequence[_Item]) -> list[list[_Item]]:
    count = 1 + max((item.column for item in items), default=-1)
    columns = [sorted((i for i in items if i.column == c), key=lambda i: i.key) for c in range(count)]
    _number(columns)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        for column in columns if forth else reversed(columns):
            column.sort(key=lambda item: (_mean(item.before if forth else item.after, item.place), item.key))
            _number([column])
    return columns


def _mean(neighbours: Sequence[_Item], otherwise: float) -> float:
    return fmean(item.place for item in neighbours) if neighbours else otherwise


def _number(columns: Sequence[list[_Item]]) -> None:
    """Places between 0 and 1, so that columns of different lengths can be compared."""
    for column in columns:
        for number, item in enumerate(column):
            item.place = (number + 0.5) / len(column)


def _placed(columns: Sequence[list[_Item]]) -> tuple[float, float]:
    """Gives every item its place; returns width and height of the whole."""
    heights = [sum(item.height for item in column) + _ROW_GAP * (len(column) - 1) for column in columns]
    tallest, x = max(heights, default=0), float(_MARGIN)
    for column, height in zip(columns, heights, strict=True):
        longest = max((len(text) for item in column for _, text in item.lines), default=0)
        width, y = longest * _CHARACTER + 2 * _PADDING, _MARGIN + (tallest - height) / 2
        for item in column:
            item.x, item.y, item.width = x, y, width
            y += item.height + _ROW_GAP
        x += width + _COLUMN_GAP
    return x - _COLUMN_GAP + _MARGIN, tallest + 2 * _MARGIN


def _arrow(wake: Wake, way: Sequence[_Item]) -> str:
    points = [(way[0].x + way[0].width, _middle(way[0]))]
    for item in way[1:-1]:
        points += [(item.x, _middle(item)), (item.x + item.width, _middle(item))]
    points.append((way[-1].x, _middle(way[-1])))
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for number in range(0, len(points) - 1, 2):
        (x, y), (to_x, to_y) = points[number], points[number + 1]
        half = (x + to_x) / 2
        path += f"C{half:.1f} {y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        if number + 2 < len(points):
            path += f"H{points[number + 2][0]:.1f}"
    told = f"{wake.arrived} has arrived: {wake.asset}"
    return f'<path class="wake" marker-end="url(#tip)" d="{path}"><title>{escape(told)}</title></path>'


def _middle(item: _Item) -> float:
    return item.y + item.height / 2


def _box(item: _Item, family: Family) -> str:
    fill, stroke = _COLOURS[family]
    texts = [
        f'<text class="{kind}" x="{item.x + _PADDING:.1f}" y="{item.y + _PADDING + _LINE * (n + 0.75):.1f}">'
        f"{escape(text)}</text>"
        for n, (kind, text) in enumerate(item.lines)
    ]
    frame = (
        f'<rect x="{item.x:.1f}" y="{item.y:.1f}" width="{item.width:.1f}" height="{item.height:.1f}" rx="5"'
        f' fill="{fill}" stroke="{stroke}"/>'
    )
    return "\n".join([f"<g><title>{escape(item.key)}</title>", frame, *texts, "</g>"])
