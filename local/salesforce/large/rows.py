"""The records of large objects, each a function of its number: 25 values in the mix that iConnect's objects have.

Numbers, Ids and SystemModstamps grow together, so that a range of any of them is a range of all; four records have each
SystemModstamp. No record is deleted. A block of records is drawn from a seed of its own, and can be made by itself.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.ids import make_id, make_ids
from local.salesforce.schema.building import AUDIT, ID, IS_DELETED, checkbox, day, number, picklist, record_name, string
from local.salesforce.times import to_iso

BLOCK_ROWS = 5_000
KEY_PREFIX = "a1R"
ROWS_PER_STAMP = 4
_SEED = 20260105
_FIRST_STAMP = datetime(2025, 1, 1, tzinfo=UTC)
_COUNTRIES = ("AU", "BR", "CA", "CH", "DE", "ES", "FR", "GB", "IT", "JP", "KR", "MX", "TH", "US")
_METHODS = ("IHC", "NGS", "PCR", "FISH", "Sanger", "Flow cytometry")
_SPECIMENS = ("Tissue", "Blood", "Plasma;Serum", "Bone marrow", "")
_REMARKS = (
    "",
    "",
    "",
    "NA",
    "null",
    "Repeat requested by the pathologist, see the note of last week",
    'The lab calls it "urgent", but sends it by post',
    "Erste Probe unbrauchbar;\nzweite am Folgetag entnommen",
    "検体は冷蔵で受領。再検査の必要はありません",
    "Résultat validé par le Dr. Müller-Lüdenscheidt, Zürich",
    "ตัวอย่างถูกส่งไปยังห้องปฏิบัติการกลาง",
    "Tumor content 40 %, necrosis < 5 %, macrodissection done; block 2 of 3 was used, as block 1 was exhausted",
)

FIELDS: tuple[Field, ...] = (
    ID,
    record_name("Test Record", 80, auto_number=True),
    IS_DELETED,
    *AUDIT,
    Field("Lab__c", FieldType.STRING, "Lab", 18),
    Field("Biomarker__c", FieldType.STRING, "Biomarker", 18),
    picklist("Country_Code__c", "Country Code", _COUNTRIES),
    picklist("Method__c", "Method", _METHODS),
    picklist("Specimen__c", "Specimen", _SPECIMENS[:-1]),
    day("Ordered_Date__c", "Ordered"),
    day("Reported_Date__c", "Reported"),
    Field("Received_At__c", FieldType.DATETIME, "Received"),
    number("Value__c", "Value", 12, 4),
    number("Threshold__c", "Threshold", 12, 4),
    Field("Price__c", FieldType.CURRENCY, "Price", precision=18, scale=2),
    Field("Quality__c", FieldType.PERCENT, "Quality", precision=5, scale=2),
    number("Replicates__c", "Replicates", 4, 0),
    checkbox("Confirmed__c", "Confirmed"),
    string("Batch_Code__c", "Batch Code", 40),
    string("Kit_Lot__c", "Kit Lot", 40),
    Field("Remark__c", FieldType.TEXTAREA, "Remark", 255),
)
NAMES = tuple(field.name for field in FIELDS)


def large_sobject(name: str) -> SObject:
    """The describe of a large object of this name."""
    label = name.removesuffix("__c").replace("_", " ")
    return SObject(name, label, f"{label}s", KEY_PREFIX, FIELDS)


def record_id(row: int) -> str:
    """Id of record `row` (0, 1, …)."""
    return make_id(KEY_PREFIX, row)


def record_ids(rows: range) -> Iterator[str]:
    """Ids of a range of records."""
    return make_ids(KEY_PREFIX, rows)


def stamp(row: int) -> str:
    """SystemModstamp of record `row`."""
    return to_iso(_FIRST_STAMP + timedelta(seconds=row // ROWS_PER_STAMP))


def block_rows(block: int) -> Iterator[Sequence[str]]:
    """The values of the block's records, as Bulk's CSV has them before they are quoted."""
    first = block * BLOCK_ROWS
    rows = range(first, first + BLOCK_ROWS)
    rng = random.Random(f"{_SEED}:{block}")
    moments = [to_iso(_moment(rng, first)) for _ in range(500)]
    dates = [moment[:10] for moment in moments]
    users = _ids("005", 300)
    stamps = [text for text in map(stamp, rows[::ROWS_PER_STAMP]) for _ in range(ROWS_PER_STAMP)]
    return zip(
        record_ids(rows),
        [f"TR-{row + 1:09d}" for row in rows],
        ["false"] * BLOCK_ROWS,
        rng.choices(moments, k=BLOCK_ROWS),
        rng.choices(users, k=BLOCK_ROWS),
        stamps,
        rng.choices(users, k=BLOCK_ROWS),
        stamps,
        rng.choices(_ids("001", 12_000), k=BLOCK_ROWS),
        rng.choices(_ids("a05", 60), k=BLOCK_ROWS),
        rng.choices(_COUNTRIES, k=BLOCK_ROWS),
        rng.choices(_METHODS, k=BLOCK_ROWS),
        rng.choices(_SPECIMENS, k=BLOCK_ROWS),
        rng.choices(dates, k=BLOCK_ROWS),
        rng.choices([*dates, *[""] * 50], k=BLOCK_ROWS),
        rng.choices(moments, k=BLOCK_ROWS),
        _decimals(rng, 1_000.0, 4),
        _decimals(rng, 100.0, 1),
        _decimals(rng, 9_000.0, 2),
        _decimals(rng, 100.0, 2),
        rng.choices(("1.0", "2.0", "3.0", "12.0", ""), k=BLOCK_ROWS),
        rng.choices(("true", "false"), k=BLOCK_ROWS),
        [f"{rng.getrandbits(64):016X}" for _ in rows],
        rng.choices(_lots(), k=BLOCK_ROWS),
        rng.choices(_REMARKS, k=BLOCK_ROWS),
        strict=True,
    )


@cache
def _ids(key_prefix: str, count: int) -> list[str]:
    return list(make_ids(key_prefix, range(count)))


@cache
def _lots() -> list[str]:
    return [f"LOT-{lot:06d}" for lot in range(40_000)]


def _moment(rng: random.Random, row: int) -> datetime:
    return _FIRST_STAMP + timedelta(seconds=row // ROWS_PER_STAMP, milliseconds=-rng.randrange(90 * 86_400_000))


def _decimals(rng: random.Random, most: float, scale: int) -> list[str]:
    return [str(round(value * most, scale)) for value in (rng.random() for _ in range(BLOCK_ROWS))]
