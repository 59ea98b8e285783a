"""What wakes what: the DAGs that follow from some others, their tasks, and the events between them. Pure.

A picture covers the DAGs it begins with and all that are computed from them, up to the marts. It is drawn as text, as
Mermaid, and by `picture_svg` as SVG.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from idiscover.plan.build import asset_uri, dag_id, ready_uri
from idiscover.plan.model import ExtractionPlan, Family, LoadPlan, Plan, RefreshPlan

MAPPED = "t1.call"  # one task for a few units of countries each
_NAMED = 3  # as many tables are named; more are counted
_TASKS: Mapping[str, tuple[str, ...]] = {
    "extraction": (
        "send_email_cluster_start",
        "emr_tasks.create_cluster",
        "emr_tasks.add_steps",
        "emr_tasks.watch_steps",
        "emr_tasks.terminate_cluster",
        "emr_tasks.watch_termination",
        "send_email_cluster_termination",
        "end",
    ),
    "load": ("copy", "reconcile", "end"),
    "refresh": ("t1.slices", MAPPED, "end"),
}


def tasks_of(plan: Plan) -> tuple[str, ...]:
    """Task ids of a plan's DAG, each waiting for the one before it."""
    return _TASKS[plan.kind]


@dataclass(frozen=True)
class Node:
    """A DAG of the picture.

    `starts` says what starts it; `waits_for`: tables outside the picture that it needs too; `cluster_group`: with which
    extractions it shares a cluster, if it does.
    """

    dag_id: str
    family: Family
    tasks: tuple[str, ...]
    starts: str
    waits_for: tuple[str, ...]
    cluster_group: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of it: what starts it, what it waits for, whose cluster it shares."""
        shares = [f"shares the cluster of {self.cluster_group}"] if self.cluster_group else []
        return (self.starts, *([self.waits] if self.waits_for else []), *shares)

    @property
    def waits(self) -> str:
        """Which tables outside the picture it needs too; how many, where they are many."""
        few = len(self.waits_for) <= _NAMED
        return f"waits for {', '.join(self.waits_for) if few else f'{len(self.waits_for)} other tables'} too"


@dataclass(frozen=True)
class Wake:
    """An event from one DAG to another: what has arrived, and the asset whose event it is."""

    source: str  # dag_id
    target: str  # dag_id
    arrived: str  # source.<object> or a table
    asset: str


@dataclass(frozen=True)
class Picture:
    """DAGs in the order of the data, and what wakes what."""

    nodes: tuple[Node, ...]
    wakes: tuple[Wake, ...]

    def after(self, name: str) -> list[Wake]:
        """The wakes that a DAG causes."""
        return [wake for wake in self.wakes if wake.source == name]


def picture_of(plans: Iterable[Plan], begin: Collection[str]) -> Picture:
    """The DAGs of `begin` and all that follow from them.

    Args:
        plans: of all DAGs.
        begin: dag_ids.
    """
    everything = {plan.header.dag_id: plan for plan in plans}
    wakes = [wake for plan in everything.values() for wake in _wakes(plan, everything)]
    inside: set[str] = set()
    waiting = [name for name in begin if name in everything]
    while waiting:
        name = waiting.pop()
        if name not in inside:
            inside.add(name)
            waiting += [wake.target for wake in wakes if wake.source == name]
    kept = [wake for wake in wakes if wake.source in inside and wake.target in inside]
    order = _in_order_of_data(inside, kept, everything)
    place = {name: number for number, name in enumerate(order)}
    return Picture(
        tuple(_node(everything[name], wakes, inside) for name in order),
        tuple(sorted(kept, key=lambda wake: (place[wake.source], place[wake.target]))),
    )


def layers_of(picture: Picture) -> dict[str, int]:
    """dag_id → the longest way to it from a DAG that nothing in the picture wakes."""
    layers: dict[str, int] = {}
    for node in picture.nodes:  # sources come before their targets
        before = [layers[wake.source] for wake in picture.wakes if wake.target == node.dag_id]
        layers[node.dag_id] = 1 + max(before, default=-1)
    return layers


def _wakes(plan: Plan, everything: Mapping[str, Plan]) -> list[Wake]:
    """What a plan's end wakes."""
    if isinstance(plan, ExtractionPlan):
        target, arrived = dag_id(Family.S3_TO_REDSHIFT, plan.object), f"source.{plan.object}"
        return [Wake(plan.header.dag_id, target, arrived, asset_uri(arrived))] if target in everything else []
    refreshes = {other.table: name for name, other in everything.items() if isinstance(other, RefreshPlan)}
    return [
        Wake(plan.header.dag_id, refreshes[consumer.table], plan.table, ready_uri(consumer.table))
        for consumer in plan.consumers
        if consumer.table in refreshes
    ]


def _node(plan: Plan, wakes: Sequence[Wake], inside: Collection[str]) -> Node:
    name = plan.header.dag_id
    inputs = plan.inputs if isinstance(plan, RefreshPlan) else ()
    drawn = {wake.arrived for wake in wakes if wake.target == name and wake.source in inside}
    outside = tuple(sorted(set(inputs) - drawn))
    group = plan.cluster_group if isinstance(plan, ExtractionPlan) else None
    return Node(name, plan.header.family, tasks_of(plan), _starts(plan), outside, group)


def _starts(plan: Plan) -> str:
    if isinstance(plan, ExtractionPlan):
        by_itself = plan.context.airflow.schedules_start_runs
        return f"schedule {plan.schedule} UTC" if by_itself else "started by hand or over REST"
    if isinstance(plan, LoadPlan):
        return "each batch in S3"
    return f"once its inputs have come, or {plan.cut_off_hours} h after the day's end"


def _in_order_of_data(inside: Collection[str], wakes: Sequence[Wake], plans: Mapping[str, Plan]) -> list[str]:
    """Sources before targets; among those that are free, families in their order, then names."""
    families = list(Family)
    left = {name: {wake.source for wake in wakes if wake.target == name} for name in inside}
    order: list[str] = []
    while left:
        free = [name for name, sources in left.items() if not sources - set(order)]
        first = min(free, key=lambda name: (families.index(plans[name].header.family), name))
        order.append(first)
        del left[first]
    return order


def as_text(picture: Picture) -> str:
    """A tree for the terminal: each DAG with its tasks under the first that wakes it; later ones refer to it."""
    targets = {wake.target for wake in picture.wakes}
    nodes = {node.dag_id: node for node in picture.nodes}
    drawn: set[str] = set()
    lines: list[str] = []

    def draw(name: str, head: str, indent: str) -> None:
        if name in drawn:
            lines.append(f"{head}{name} (above)")
            return
        drawn.add(name)
        node, wakes = nodes[name], picture.after(name)
        bar = "│ " if wakes else "  "
        lines.append(f"{head}{name}")
        lines.extend(f"{indent}{bar} {note}" for note in node.notes)
        lines.append(f"{indent}{bar} {_chain(node, ' → ')}")
        for number, wake in enumerate(wakes):
            is_last = number == len(wakes) - 1
            draw(wake.target, f"{indent}{'└▶' if is_last else '├▶'} ", indent + ("   " if is_last else "│  "))

    for node in picture.nodes:
        if node.dag_id not in targets:
            draw(node.dag_id, "", "")
    return "\n".join(lines)


def _chain(node: Node, arrow: str) -> str:
    return arrow.join(f"{task} × n" if task == MAPPED else task for task in node.tasks)


def as_mermaid(picture: Picture) -> str:
    """A flowchart: a box per DAG with its tasks in it, an arrow per wake with what has arrived."""
    lines = ["flowchart LR"]
    for node in picture.nodes:
        lines.append(f'  subgraph {node.dag_id}["{node.dag_id}"]')
        chain = [f"{node.dag_id}.{task}" for task in node.tasks]
        lines += [f'    {_key(key)}["{_label(task)}"]' for key, task in zip(chain, node.tasks, strict=True)]
        lines.append(f"    {' --> '.join(_key(key) for key in chain)}")
        lines.append("  end")
    for wake in picture.wakes:
        lines.append(f'  {wake.source} -->|"{wake.arrived}"| {wake.target}')
    return "\n".join(lines) + "\n"


def _key(text: str) -> str:
    """A name that Mermaid takes: `end` alone would close a subgraph."""
    return text.replace(".", "__")


def _label(task: str) -> str:
    return f"{task} × n" if task == MAPPED else task
