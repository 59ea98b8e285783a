"""Models of a delta filter: what a delta of an object is, and what a day's run reads beside it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from idiscover.metadata.base import Model, Moment, Name, SalesforceName, SalesforcePath, unfit


class FilterCondition(Model):
    """One condition of a delta filter; conditions are joined with AND."""

    field: SalesforcePath = Field(description="What is compared.")
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in"] = Field(description="How.")
    value: str | bool | int | float | tuple[str | int | float, ...] | None = Field(
        description="With what; `null` too. A list with `in` and `not in`, and only there. Written into SOQL as a"
        " literal of the field's type."
    )

    @model_validator(mode="after")
    def _value_fits_the_operator(self) -> FilterCondition:
        is_list = isinstance(self.value, tuple)
        if self.op in ("in", "not in") and not (is_list and self.value):
            raise unfit(f"a list with at least one value, for op {self.op}", "write value: [first, second]")
        if self.op not in ("in", "not in") and is_list:
            raise unfit(f"a single value, for op {self.op}", "write one value, or op: in")
        if self.op in ("<", "<=", ">", ">=") and (self.value is None or isinstance(self.value, bool)):
            raise unfit(f"a text, number or time, for op {self.op}", "write op: = or !=, or another value")
        return self


Interval = Literal["never", "daily", "weekly", "monthly"]
DAYS_OF_INTERVAL: dict[Interval, int] = {"daily": 1, "weekly": 7, "monthly": 28}


class DeltaFilter(Model):
    """What a delta of an object is, and what a day's run reads beside it: `metadata/delta_filter/<object>.yaml`."""

    object: Name = Field(description="The object; the file's name.")
    field: SalesforceName | None = Field(
        default=None,
        description="The datetime field that windows are cut on; one of the object's fields. May be left out with"
        " `load_mode: full`, where the object has no time of its last change: a run that names a window, and a"
        " backfill, are refused then.",
    )
    lookback_minutes: int = Field(
        ge=0,
        le=60 * 24 * 31,
        description="How far before the watermark a window begins. A change may be committed later than the"
        " SystemModstamp it carries.",
    )
    start: Moment = Field(description="Where the first window begins.")
    filter: tuple[FilterCondition, ...] = Field(
        default=(),
        description="Further conditions. They hold for every read, of windows, of Ids and of whole objects: what they"
        " leave out does not exist here.",
    )
    sweep: Interval = Field(
        default="never",
        description="`daily`: every scheduled run, and every manual one without a window of its own, reads the Id of"
        " each record after its rows. Records without one leave itg. Needed where the object has no `IsDeleted`; else"
        " it finds what was deleted for good. `weekly`, `monthly`: a run does so once its order date is 7 or 28 days"
        " after that of the last one that did.",
    )
    formula_refresh: Interval = Field(
        default="never",
        description="`daily`: the same runs read every record instead of a window; `weekly` and `monthly` as with"
        " `sweep`. Needed where the object has formulas, and only there; says what a sweep says, so there is none"
        " beside it.",
    )
    most_gone_percent: int = Field(
        default=20,
        ge=0,
        le=100,
        description="A read of every Id that has fewer records than the one before it, by more than this share and by"
        " more than 100, is refused: perhaps the integration user has lost sight of them, and they would leave itg and"
        " dm. 100: never. The first read of an object has nothing to be compared with.",
    )
