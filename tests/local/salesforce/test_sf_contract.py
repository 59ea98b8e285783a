"""What the simulated org holds keeps the contract that the repository's metadata make of its fields."""

from collections import Counter

from idiscover.metadata.loading import FolderReader, load_catalog
from idiscover.plan.columns import column_plan

from emr_jobs.contract import Contract
from local.salesforce import schema
from local.salesforce.values import csv_writer
from tests.local.salesforce.sf_log import replayed, smallest_log
from tests.unit.metadata_samples import REPOSITORY


def test_no_row_of_the_org_is_broken() -> None:
    specs = {
        spec.salesforce_object: spec for spec in load_catalog(FolderReader(REPOSITORY / "metadata")).objects.values()
    }
    broken: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    judges = {}
    for name, spec in specs.items():
        fields = {field.name: field for field in schema.OBJECTS[name].stored_fields}
        known = [column_plan(item) for item in spec.fields if item.salesforce in fields]
        writers = [csv_writer(fields[column.salesforce]) for column in known]
        judges[name] = (Contract(known, required=[spec.key]), [column.salesforce for column in known], writers)
    for event, _, after in replayed(smallest_log()):
        if event.object not in judges:
            continue
        contract, names, writers = judges[event.object]
        row = [write(after[name]) for name, write in zip(names, writers, strict=True)]
        seen[event.object] += 1
        broken.update(f"{event.object}.{breach}" for breach in contract.breaches(row))
    assert not broken
    assert set(seen) == set(specs) and seen.total() > 5000
