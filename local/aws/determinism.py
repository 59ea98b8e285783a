"""Make moto's answers a function of (state, request, time, seed).

moto draws identifiers from one random generator and reads the wall clock in many modules. The journal replays requests
after a crash, so both are put under control: `applying(at, seed)` freezes the clock and seeds the generator for the
duration of one request. The engine's lock guarantees that only one request runs at a time.
"""

from __future__ import annotations

import datetime as real_datetime
import sys
import time as real_time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_frozen_at_utc: real_datetime.datetime | None = None


def utcnow() -> real_datetime.datetime:
    """The time of the request being applied, or the wall clock; naive, in UTC, as moto has it."""
    if _frozen_at_utc is not None:
        return _frozen_at_utc
    return real_datetime.datetime.now(real_datetime.UTC).replace(tzinfo=None)


@contextmanager
def applying(at_utc: real_datetime.datetime, seed: int) -> Iterator[None]:
    """Run the body at the instant `at_utc` (naive UTC) with moto's generator seeded by `seed`."""
    from moto.moto_api._internal import mock_random

    global _frozen_at_utc
    _frozen_at_utc = at_utc
    mock_random.seed(seed)
    try:
        yield
    finally:
        _frozen_at_utc = None
        mock_random.seed()


class _RealInstance(type):
    """isinstance() against the shim accepts what the real class made."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real_datetime.datetime)


class _ClockDatetime(real_datetime.datetime, metaclass=_RealInstance):
    """datetime.datetime whose now() is the engine's clock; every value it hands out is a plain datetime."""

    @classmethod
    def now(cls, tz: real_datetime.tzinfo | None = None) -> real_datetime.datetime:  # type: ignore[override]
        aware = utcnow().replace(tzinfo=real_datetime.UTC)
        return aware.astimezone(tz) if tz else aware.astimezone().replace(tzinfo=None)


class _Shim(ModuleType):
    """A module with some names replaced; everything else comes from the real one."""

    def __init__(self, real: ModuleType, **replaced: Any) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(replaced)
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _epoch_seconds() -> float:
    return utcnow().replace(tzinfo=real_datetime.UTC).timestamp()


def install() -> None:
    """Put moto's clock and random upload ids under control. Call once, before any request is served."""
    import moto.core.utils as core_utils

    original = core_utils.utcnow
    core_utils.utcnow = utcnow
    import moto.emr.models
    import moto.iam.models
    import moto.logs.models
    import moto.s3.models
    import moto.secretsmanager.models
    import moto.ses.models
    import moto.sts.models

    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is original:
            module.utcnow = utcnow  # type: ignore[attr-defined]
    datetime_shim = _Shim(real_datetime, datetime=_ClockDatetime)
    moto.s3.models.datetime = datetime_shim  # type: ignore[attr-defined]
    moto.ses.models.datetime = datetime_shim  # type: ignore[attr-defined]
    moto.secretsmanager.models.time = _Shim(real_time, time=_epoch_seconds)  # type: ignore[attr-defined]
    _seed_upload_ids()
    _stop_tracking_instances()


def _seed_upload_ids() -> None:
    from moto.moto_api._internal import mock_random
    from moto.s3.models import FakeMultipart

    original = FakeMultipart.__init__

    def seeded(self: FakeMultipart, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.id = mock_random.get_random_string(length=56)

    FakeMultipart.__init__ = seeded  # type: ignore[method-assign]


def _stop_tracking_instances() -> None:
    """moto keeps every model ever made in a class list, for its dashboard: in a long-lived server that is a leak."""
    from moto.core.common_models import BaseModel

    def plain_new(cls: type[BaseModel], *_args: Any, **_kwargs: Any) -> BaseModel:
        return object.__new__(cls)

    BaseModel.__new__ = plain_new  # type: ignore[method-assign, assignment]
