"""Record types, therapeutic areas, products and biomarkers, in the org's first days."""

from datetime import UTC, datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import EventKind
from local.salesforce.generate.history import History
from local.salesforce.generate.initial.cast import Cast, Marker
from local.salesforce.generate.phrases import COMPANION_PRODUCTS, PRODUCTS
from local.salesforce.generate.records import reference_data as make
from local.salesforce.generate.vocabulary import BIOMARKERS, THERAPEUTIC_AREAS

FIRST_DAY = datetime(2023, 1, 2, 9, 0, tzinfo=UTC)
_DELETED_PRODUCT = 20
_TEST_MARKER = ("Test marker, ignore", 0, None, False)


def add_reference_data(history: History, cast: Cast) -> None:
    """The reference data; one product (still a companion's) and one biomarker are deleted soon after."""
    for i, name in enumerate(schema.RECORD_TYPES):
        stamp = FIRST_DAY + timedelta(seconds=i)
        values = make.new_record_type(name)
        history.insert(schema.RECORD_TYPE, stamp, values, record_id=schema.RECORD_TYPE_IDS[name])
    owner = schema.USER_IDS[0]
    for i, name in enumerate(THERAPEUTIC_AREAS):
        stamp = FIRST_DAY + timedelta(days=1, seconds=i)
        record = history.insert(schema.THERAPEUTIC_AREA, stamp, {"Name": name}, owner)
        cast.areas.append(str(record["Id"]))
    products = _add_products(history, cast, owner)
    _add_biomarkers(history, cast, owner, products)


def _add_products(history: History, cast: Cast, owner: str) -> list[str]:
    ids = []
    for number in range(len(PRODUCTS)):
        stamp = FIRST_DAY + timedelta(days=1, hours=3, seconds=number)
        record = history.insert(schema.PRODUCT, stamp, make.new_product(number, cast.areas), owner)
        ids.append(str(record["Id"]))
        if number == _DELETED_PRODUCT:
            gone = FIRST_DAY + timedelta(days=20)
            history.follow(schema.PRODUCT.name, record, EventKind.DELETE, gone, {"IsDeleted": True})
    return ids


def _add_biomarkers(history: History, cast: Cast, owner: str, products: list[str]) -> None:
    for i, (name, area, indication, companion) in enumerate((*BIOMARKERS, _TEST_MARKER)):
        area_id = None if area is None else cast.areas[area]
        product = COMPANION_PRODUCTS.get(i)
        product_id = None if product is None else products[product]
        values = make.new_biomarker(name, area_id, product_id, indication, companion)
        record = history.insert(schema.BIOMARKER, FIRST_DAY + timedelta(days=2, minutes=i), values, owner)
        cast.markers.append(Marker(str(record["Id"]), name, area_id))
    gone = cast.markers.pop()
    stamp = FIRST_DAY + timedelta(days=9)
    history.follow(schema.BIOMARKER.name, {"Id": gone.id}, EventKind.DELETE, stamp, {"IsDeleted": True})
