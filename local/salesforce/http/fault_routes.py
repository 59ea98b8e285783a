"""`/idiscover/faults`: faults that are planned (see `faults`); `/idiscover/requests`: what was asked and answered."""

from dataclasses import asdict

from starlette.responses import Response

from local.salesforce import schema
from local.salesforce.faults import COUNTED_KINDS, EFFECTS, JOB_EFFECTS, ONLY_OF, Argument, Effect, Fault, Kind
from local.salesforce.http.answers import ApiError, clean_json_object, json_response
from local.salesforce.http.service import Service

Json = dict[str, object]
_KEYS = frozenset({"on", "effect", "nth", "times", "object", "job", "again", "over_rows"})


def plan(service: Service, body: bytes) -> Response:
    """POST: keep a fault."""
    content = clean_json_object(body)
    kind = Kind(_one_of(content, "on", [kind.value for kind in Kind if kind is not Kind.OTHER]))
    effect = Effect(_one_of(content, "effect", [effect.value for effect in Effect]))
    if ONLY_OF.get(effect, kind) is not kind or (kind is Kind.RUN_JOB and effect not in JOB_EFFECTS):
        raise _invalid("effect", effect.value, f"an effect that {kind.value} can have")
    unknown = sorted(set(content) - _KEYS - set(EFFECTS[effect]))
    if unknown:
        raise _invalid("key", unknown[0], f"some of {', '.join(sorted(_KEYS | set(EFFECTS[effect])))}")
    over_rows = None if content.get("over_rows") is None else _number(content, "over_rows", 0)
    if over_rows is not None and (kind not in COUNTED_KINDS or effect not in {Effect.ERROR, *JOB_EFFECTS}):
        raise _invalid("over_rows", over_rows, "nothing: rows decide only on the errors of queries")
    job = content.get("job")
    fault = service.faults.plan(
        kind,
        effect,
        {name: _argument(content, name, argument) for name, argument in EFFECTS[effect].items()},
        nth=_number(content, "nth", 1),
        times=None if "times" in content and content["times"] is None else _number(content, "times", 1),
        object=_object(content),
        job=None if job is None else str(job)[:15],
        again=content.get("again") is True,
        over_rows=over_rows,
    )
    return json_response(_shown(fault))


def planned(service: Service) -> Response:
    """GET: every fault, and how often it fired."""
    return json_response({"faults": [_shown(fault) for fault in service.faults.planned()]})


def forget(service: Service) -> Response:
    """DELETE: all faults."""
    service.faults.forget()
    return planned(service)


def requests(service: Service) -> Response:
    """GET: the newest requests, oldest first."""
    return json_response({"requests": [asdict(request) for request in service.faults.requests()]})


def _argument(content: Json, name: str, argument: Argument) -> object:
    value = content.get(name, argument.default)
    numbers = (int, float) if argument.kind is float else (argument.kind,)
    fits = isinstance(value, numbers) and (argument.kind is bool or not isinstance(value, bool))
    if not fits or (argument.choices and value not in argument.choices):
        raise _invalid(name, value, " or ".join(argument.choices) or argument.kind.__name__)
    if argument.kind in (int, float) and value < 0:  # type: ignore[operator]
        raise _invalid(name, value, "a number that is not negative")
    return value


def _object(content: Json) -> str | None:
    name = content.get("object")
    if name is None:
        return None
    found = schema.find_object(name) if isinstance(name, str) else None
    if found is None:
        raise _invalid("object", name, "an object of the org")
    return found.name


def _one_of(content: Json, key: str, choices: list[str]) -> str:
    value = content.get(key)
    if value not in choices:
        raise _invalid(key, value, f"one of {', '.join(choices)}")
    return str(value)


def _number(content: Json, key: str, least: int) -> int:
    value = content.get(key, 1)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise _invalid(key, value, f"a whole number of at least {least}")
    return value


def _invalid(key: str, got: object, expected: str) -> ApiError:
    return ApiError(400, "INVALID_INPUT", f"{key}: got {got!r}; expected {expected}")


def _shown(fault: Fault) -> Json:
    return {
        "number": fault.number,
        "on": fault.kind.value,
        "effect": fault.effect.value,
        **fault.arguments,
        "nth": fault.nth,
        "times": fault.times,
        "object": fault.object,
        "job": fault.job,
        "again": fault.again,
        "over_rows": fault.over_rows,
        "met": fault.met,
        "fired": fault.fired,
    }
