"""REST queries: pages of records, cursors that outlive a restart, counts."""

import json
import secrets
import zlib
from collections.abc import Callable, Mapping
from datetime import timedelta

from local.salesforce.faults import ERRORS, Asked, Faults, Kind
from local.salesforce.fields import SObject
from local.salesforce.large.objects import LargeObject, served_large
from local.salesforce.live import LiveOrg, Moment
from local.salesforce.org import Org
from local.salesforce.request_log import ReadKind, RequestLog
from local.salesforce.rows import Row, Value
from local.salesforce.soql.binding import Column, Records
from local.salesforce.soql.errors import SoqlError
from local.salesforce.soql.execution import BoundQuery, bind
from local.salesforce.store import Store
from local.salesforce.times import to_iso
from local.salesforce.values import json_value

PAGE_RECORDS = 2000
CURSOR_DAYS = 2
Json = dict[str, object]
_ADDRESS_PARTS: Mapping[str, str] = {"BillingCity": "city", "BillingState": "state", "BillingPostalCode": "postalCode"}
_ADDRESS_EMPTY: Json = dict.fromkeys(
    ("city", "country", "geocodeAccuracy", "latitude", "longitude", "postalCode", "state", "street")
)


class RestQueries:
    """Answers `/query` and `/queryAll`."""

    def __init__(self, store: Store, org: Org, log: RequestLog, live: LiveOrg, faults: Faults) -> None:
        self._store = store
        self._org = org
        self._log = log
        self._live = live
        self._faults = faults

    def first_page(self, operation: str, soql: str, version: str, page_records: int) -> Json:
        """Run a query; the first page, with a URL of the next where there is one. Raises SoqlError."""
        bound = bind(soql)
        if bound.query.is_count:
            self._live.reached(Moment.COUNT, bound.sobject.name)
        view = self._org.view()
        kind = ReadKind.COUNT if bound.query.is_count else ReadKind.REST
        org_time = to_iso(view.as_of)
        seq = self._log.read(org_time, kind, operation, bound.sobject.name, soql, bound.window)
        large = served_large(bound.sobject.name)
        rows = bound.select(view, with_deleted=operation == "queryAll") if large is None else large.select(bound)
        self._log.counted(seq, len(rows))
        self._refuse_too_many(Kind.COUNT if bound.query.is_count else Kind.REST_QUERY, bound.sobject.name, len(rows))
        if bound.query.is_count:
            return {"totalSize": len(rows), "done": True, "records": []}
        cursor = ""
        if large is not None:
            cursor = self._keep(operation, soql, []) if len(rows) > page_records else ""
            return _large_page(large, bound, rows, (0, page_records, cursor, version))
        if len(rows) > page_records:
            cursor = self._keep(operation, soql, [str(row["Id"]) for row in rows])
        return _page(bound, view.records, rows[:page_records], (len(rows), page_records, cursor, version))

    def next_page(self, locator: str, version: str, page_records: int) -> Json:
        """The page a locator names. Raises SoqlError (INVALID_QUERY_LOCATOR)."""
        cursor, _, start_text = locator.rpartition("-")
        row = self._store.row("SELECT * FROM cursors WHERE id = ?", (cursor,))
        if row is None or not start_text.isdigit():
            raise SoqlError("INVALID_QUERY_LOCATOR", "invalid query locator")
        ids = json.loads(zlib.decompress(row["ids"]))
        start = int(start_text)
        bound, view = bind(row["soql"]), self._org.view()
        large = served_large(bound.sobject.name)
        if large is not None:
            return _large_page(large, bound, large.select(bound), (start, start + page_records, cursor, version))
        here = view.records[bound.sobject.name]
        following = start + page_records
        # What was removed for good since the first page is missing from the later ones.
        records = [here[record_id] for record_id in ids[start:following] if record_id in here]
        return _page(bound, view.records, records, (len(ids), following, cursor, version))

    def _refuse_too_many(self, kind: Kind, object_name: str, rows: int) -> None:
        """A fault may have queries of many rows refused."""
        fault = self._faults.meet(Asked(kind, "", object_name, rows=rows))
        if fault is not None:
            _, code, message = ERRORS[str(fault.arguments["error"])]
            raise SoqlError(code, message)

    def _keep(self, operation: str, soql: str, ids: list[str]) -> str:
        cursor = "0r8" + secrets.token_hex(8)
        now = self._org.clock.now()
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM cursors WHERE created_at < ?", (to_iso(now - timedelta(days=CURSOR_DAYS)),))
            packed = zlib.compress(json.dumps(ids).encode(), 1)
            row = (cursor, operation, soql, to_iso(now), packed)
            connection.execute("INSERT INTO cursors VALUES (?, ?, ?, ?, ?)", row)
        return cursor


def _large_page(large: LargeObject, bound: BoundQuery, found: range, place: tuple[int, int, str, str]) -> Json:
    start, following, cursor, version = place
    page: Json = {"totalSize": len(found), "done": following >= len(found)}
    if following < len(found):
        page["nextRecordsUrl"] = f"/services/data/v{version}/query/{cursor}-{following}"
    page["records"] = large.records(bound, found[start:following], version)
    return page


def _page(bound: BoundQuery, records: Records, rows: list[Row], place: tuple[int, int, str, str]) -> Json:
    total, following, cursor, version = place
    build = _builder(bound, version)
    page: Json = {"totalSize": total, "done": following >= total}
    if following < total:
        page["nextRecordsUrl"] = f"/services/data/v{version}/query/{cursor}-{following}"
    page["records"] = [build(row, records) for row in rows]
    return page


def _builder(bound: BoundQuery, version: str) -> Callable[[Row, Records], Json]:
    """Builds a record's JSON: parents nest, and are null where the reference is."""
    readers = [(column, _reader(column)) for column in bound.columns]
    attributes = _attributes(bound.sobject, version)

    def build(record: Row, records: Records) -> Json:
        out: Json = {"attributes": attributes(record)}
        for column, read in readers:
            _put(out, column, read(record, records), (record, records, version))
        return out

    return build


def _put(out: Json, column: Column, value: object, context: tuple[Row, Records, str]) -> None:
    record, records, version = context
    for depth, (field, target) in enumerate(column.hops):
        found = records[target.name].get(str(record[field.name]))
        name = column.path[depth]
        if found is None:
            out.setdefault(name, None)
            return
        nested = out.get(name)
        if not isinstance(nested, dict):
            nested = out[name] = {"attributes": _attributes(target, version)(found)}
        out, record = nested, found
    out[column.path[-1]] = value


def _attributes(sobject: SObject, version: str) -> Callable[[Row], Json]:
    base = f"/services/data/v{version}/sobjects/{sobject.name}/"
    return lambda record: {"type": sobject.name, "url": f"{base}{record['Id']}"}


def _reader(column: Column) -> Callable[[Row, Records], object]:
    if column.field.is_compound:
        return _address_reader(column)
    get = column.getter()
    return lambda record, records: json_value(column.field, get(record, records))


def _address_reader(column: Column) -> Callable[[Row, Records], object]:
    parts: list[tuple[str, Callable[[Row, Records], Value]]] = []
    for name in column.field.components:
        part = column.entity.by_lower_name[name.lower()]
        parts.append((_ADDRESS_PARTS[name], Column((name,), column.hops, column.entity, part).getter()))

    def read(record: Row, records: Records) -> object:
        values = {key: get(record, records) for key, get in parts}
        return {**_ADDRESS_EMPTY, **values} if any(values.values()) else None

    return read
