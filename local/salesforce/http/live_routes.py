"""`/idiscover/live`: plans of changes that are committed while somebody reads (see `live`)."""

import json
import sqlite3

from starlette.responses import Response

from local.salesforce import schema
from local.salesforce.events import EventKind
from local.salesforce.fields import SObject
from local.salesforce.http.answers import ApiError, clean_json_object, json_response
from local.salesforce.http.service import Service
from local.salesforce.live import Change, Moment
from local.salesforce.times import from_iso, to_iso

Json = dict[str, object]
_PLAN_KEYS = frozenset({"object", "on", "nth", "changes"})
_CHANGE_KEYS = frozenset({"object", "kind", "records", "system_modstamp", "modified", "ids", "values"})


def plan(service: Service, body: bytes) -> Response:
    """POST: keep a plan."""
    content = clean_json_object(body)
    _refuse_unknown(content, _PLAN_KEYS)
    sobject = _object(content)
    moment = _one_of(content, "on", [item.value for item in Moment])
    changes = content.get("changes")
    if not isinstance(changes, list) or not changes:
        raise _invalid("changes", changes, "a list of changes")
    try:
        wanted = tuple(_change(item, sobject) for item in changes)
        number = service.live.plan(sobject.name, Moment(moment), _positive(content, "nth"), wanted)
    except ValueError as error:
        raise ApiError(400, "INVALID_INPUT", str(error)) from error
    return json_response(next(_shown(row) for row in service.live.plans() if row["number"] == number))


def plans(service: Service) -> Response:
    """GET: every plan, and what came of it."""
    return json_response({"plans": [_shown(row) for row in service.live.plans()]})


def forget(service: Service) -> Response:
    """DELETE: the open plans."""
    service.live.forget()
    return plans(service)


def _change(content: object, sobject: SObject) -> Change:
    if not isinstance(content, dict):
        raise _invalid("changes", content, "objects")
    _refuse_unknown(content, _CHANGE_KEYS)
    ids, values, stamp = content.get("ids", []), content.get("values"), content.get("system_modstamp")
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise _invalid("ids", ids, "a list of ids")
    if values is not None and not isinstance(values, dict):
        raise _invalid("values", values, "field names with values")
    return Change(
        _object(content, sobject).name,
        EventKind(_one_of(content, "kind", [item.value for item in EventKind])),
        _positive(content, "records") if not ids else len(ids),
        None if stamp is None else _instant(stamp),
        _pair(content.get("modified")),
        tuple(ids),
        values,
    )


def _pair(value: object) -> tuple[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise _invalid("modified", value, "a start and an end")
    return _instant(value[0]), _instant(value[1])


def _instant(value: object) -> str:
    """ISO text with an offset, as the log writes instants."""
    if not isinstance(value, str) or from_iso(value).tzinfo is None:
        raise _invalid("time", value, "an instant such as 2026-01-05T12:00:00Z")
    return to_iso(from_iso(value))


def _object(content: Json, default: SObject | None = None) -> SObject:
    name = content.get("object", None if default is None else default.name)
    found = schema.find_object(name) if isinstance(name, str) else None
    if found is None or found.name not in schema.OBJECTS:
        raise _invalid("object", name, "an object of the org, and not an added one")
    return found


def _one_of(content: Json, key: str, choices: list[str]) -> str:
    value = content.get(key)
    if value not in choices:
        raise _invalid(key, value, f"one of {', '.join(choices)}")
    return str(value)


def _positive(content: Json, key: str) -> int:
    value = content.get(key, 1)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _invalid(key, value, "a whole number of at least 1")
    return value


def _refuse_unknown(content: Json, known: frozenset[str]) -> None:
    unknown = sorted(set(content) - known)
    if unknown:
        raise _invalid("key", unknown[0], f"some of {', '.join(sorted(known))}")


def _invalid(key: str, got: object, expected: str) -> ApiError:
    return ApiError(400, "INVALID_INPUT", f"{key}: got {got!r}; expected {expected}")


def _shown(row: sqlite3.Row) -> Json:
    return {
        "number": row["number"],
        "object": row["object"],
        "on": row["moment"],
        "remaining": row["remaining"],
        "changes": json.loads(row["changes"]),
        "committed_at": row["committed_at"],
        "events": row["events"],
    }
