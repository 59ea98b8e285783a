"""`/idiscover/objects`: objects that somebody adds to the org (see `added`)."""

from starlette.responses import Response

from local.salesforce import schema
from local.salesforce.added import added_object
from local.salesforce.http.answers import ApiError, clean_json_object, json_response
from local.salesforce.http.service import Service


def listing(service: Service) -> Response:
    """GET: the added objects, with the number of their records."""
    records = service.org.view().records
    added = [item.name for item in schema.every_object() if item.described]
    return json_response({"objects": [{"name": name, "rows": len(records[name])} for name in added]})


def add(service: Service, body: bytes) -> Response:
    """POST: add an object, or replace an added one."""
    content = clean_json_object(body)
    described, rows = content.get("describe"), content.get("rows", [])
    if not isinstance(described, dict):
        raise ApiError(400, "INVALID_INPUT", f"describe: got {described!r}; expected an object")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ApiError(400, "INVALID_INPUT", "rows: expected a list of objects")
    try:
        service.org.add(added_object(described, rows))
    except ValueError as error:
        raise ApiError(400, "INVALID_INPUT", str(error)) from error
    return listing(service)
