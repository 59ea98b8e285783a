"""The picture of what wakes what: its extent, its order, and its three forms."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.plan.build import build_plans
from idiscover.plan.model import Plan, RefreshPlan
from idiscover.plan.picture import Picture, as_mermaid, as_text, layers_of, picture_of
from idiscover.plan.picture_svg import as_svg

from tests.unit.golden_files import check_golden
from tests.unit.metadata_samples import REPOSITORY, sample_catalog, sample_context

SAMPLE = build_plans(sample_catalog(), sample_context(), "0" * 40)
WHOLE = build_plans(load_catalog(FolderReader(REPOSITORY / "metadata")), sample_context(), "0" * 40)
DAG_IDS = [plan.header.dag_id for plan in WHOLE]
SVG = "{http://www.w3.org/2000/svg}"


def picture(begin: str, plans: list[Plan] = SAMPLE) -> Picture:
    return picture_of(plans, [begin])


def test_forms_of_a_small_picture() -> None:
    of_lab = picture("sfdc_to_s3__lab")
    check_golden("plan/picture_lab.txt", as_text(of_lab) + "\n")
    check_golden("plan/picture_lab.mmd", as_mermaid(of_lab))
    check_golden("plan/picture_lab.svg", as_svg(of_lab, "What wakes what, from lab"))


def test_a_table_that_two_wake_is_drawn_once_and_referred_to() -> None:
    text = as_text(picture("sfdc_to_s3__testing_volume", WHOLE))
    assert len(re.findall(r"dm_to_dm__dm_data_freshness$", text, re.MULTILINE)) == 1
    assert "dm_to_dm__dm_data_freshness (above)" in text


@settings(max_examples=30, deadline=None)
@given(begin=st.sampled_from(DAG_IDS))
def test_a_picture_holds_all_that_follows_and_nothing_else(begin: str) -> None:
    found = picture(begin, WHOLE)
    names = {node.dag_id for node in found.nodes}
    by_id = {plan.header.dag_id: plan for plan in WHOLE}
    assert names == _followers(begin, by_id)
    layers = layers_of(found)
    assert all(layers[wake.source] < layers[wake.target] for wake in found.wakes)
    for node in found.nodes:
        plan = by_id[node.dag_id]
        if isinstance(plan, RefreshPlan):
            drawn = {wake.arrived for wake in found.wakes if wake.target == node.dag_id}
            assert drawn.isdisjoint(node.waits_for)
            assert node.dag_id == begin or drawn | set(node.waits_for) == set(plan.inputs)


def _followers(begin: str, plans: dict[str, Plan]) -> set[str]:
    """What Airflow would run after `begin`, by the assets of the plans' own headers."""
    found, waiting = set(), [begin]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        plan = plans[name]
        emitted = {plan.header.outlet} | {f"x-idiscover://ready/{item.table}" for item in getattr(plan, "wakes", ())}
        waiting += [other for other, item in plans.items() if emitted & set(item.header.wakes_on)]
    return found


@pytest.mark.parametrize("begin", ["sfdc_to_s3__account", "s3_to_redshift__testing_volume", "itg_to_dm__dim_lab"])
def test_nothing_overlaps_in_a_large_drawing(begin: str) -> None:
    found = picture(begin, WHOLE)
    root = ElementTree.fromstring(as_svg(found, f"from {begin} <&>"))
    assert root.findtext(f"{SVG}title") == f"from {begin} <&>"
    groups = root.findall(f"{SVG}g")
    assert {group.findtext(f"{SVG}title") for group in groups} == {node.dag_id for node in found.nodes}
    boxes = [_box(group) for group in groups]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert 0 < left < right < width and 0 < top < bottom < height
        for other in boxes[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
    assert len(root.findall(f"{SVG}path")) == len(found.wakes)


def _box(group: ElementTree.Element) -> tuple[float, float, float, float]:
    rect = group.find(f"{SVG}rect")
    assert rect is not None
    x, y, width, height = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
    for text in group.findall(f"{SVG}text"):
        assert x <= float(text.attrib["x"]) and y < float(text.attrib["y"]) < y + height
        assert float(text.attrib["x"]) + 6.7 * len(text.text or "") <= x + width
    return x, y, x + width, y + height


def test_mermaid_closes_what_it_opens_and_names_no_task_end() -> None:
    text = as_mermaid(picture("sfdc_to_s3__account", WHOLE))
    lines = [line.strip() for line in text.splitlines()]
    assert sum(line.startswith("subgraph ") for line in lines) == lines.count("end")
    assert not re.search(r"\bend\[", text)
