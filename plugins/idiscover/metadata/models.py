"""Models of everything that people write: objects, delta filters, tables; those of an environment: `environment.py`.

One file each, YAML, frozen, no unknown keys. The models say what is allowed; `loading.py` reads the
files (a folder or an `s3://` URI) and `validation.py` checks what spans several files.

The description of a key is what editors show (`schemas.py`) and what docs/metadata.md says of it (`reference.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

# whoever asks for a model finds it here
from idiscover.metadata.base import NAME_PATTERN as NAME_PATTERN
from idiscover.metadata.base import QUALIFIED_NAME_PATTERN as QUALIFIED_NAME_PATTERN
from idiscover.metadata.base import READ_AT_COLUMN as READ_AT_COLUMN
from idiscover.metadata.base import SALESFORCE_NAME_PATTERN as SALESFORCE_NAME_PATTERN
from idiscover.metadata.base import Email as Email
from idiscover.metadata.base import Model as Model
from idiscover.metadata.base import (
    Moment,
    Name,
    QualifiedName,
    SalesforceName,
    SalesforcePath,
    Text,
    VersionColumn,
    unfit,
)
from idiscover.metadata.base import Owner as Owner
from idiscover.metadata.environment import AirflowSettings as AirflowSettings
from idiscover.metadata.environment import Buckets as Buckets
from idiscover.metadata.environment import Context as Context
from idiscover.metadata.environment import EmrSettings as EmrSettings
from idiscover.metadata.environment import MailSettings as MailSettings
from idiscover.metadata.environment import RedshiftSettings as RedshiftSettings
from idiscover.metadata.environment import SalesforceSettings as SalesforceSettings
from idiscover.metadata.environment import SecretNames as SecretNames
from idiscover.metadata.environment import TableauSettings as TableauSettings
from idiscover.metadata.extraction import VARCHAR_MAX_BYTES as VARCHAR_MAX_BYTES
from idiscover.metadata.extraction import ExtractionSettings as ExtractionSettings
from idiscover.metadata.extraction import Protection as Protection
from idiscover.metadata.subjects import Geography as Geography
from idiscover.metadata.subjects import Hierarchy as Hierarchy
from idiscover.metadata.subjects import Ratio as Ratio
from idiscover.metadata.subjects import SubjectSpec as SubjectSpec
from idiscover.metadata.table_checks_spec import AcceptedValues as AcceptedValues
from idiscover.metadata.table_checks_spec import Expression as Expression
from idiscover.metadata.table_checks_spec import ForeignKey as ForeignKey
from idiscover.metadata.table_checks_spec import Freshness as Freshness
from idiscover.metadata.table_checks_spec import NotNull as NotNull
from idiscover.metadata.table_checks_spec import Reconciliation as Reconciliation
from idiscover.metadata.table_checks_spec import RowCount as RowCount
from idiscover.metadata.table_checks_spec import Sum as Sum
from idiscover.metadata.table_checks_spec import TableCheck as TableCheck
from idiscover.metadata.table_checks_spec import UniqueKey as UniqueKey
from idiscover.metadata.table_columns import TableColumn as TableColumn


class FieldType(StrEnum):
    """Field types of Salesforce's describe that an extraction can carry."""

    ID = "id"
    REFERENCE = "reference"
    STRING = "string"
    TEXTAREA = "textarea"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"


TEXT_TYPES = frozenset(
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
        FieldType.EMAIL,
        FieldType.PHONE,
        FieldType.URL,
    }
)
DECIMAL_TYPES = frozenset({FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})


def _requires(key: str, values: Iterable[str], *required: str) -> dict[str, JsonValue]:
    """JSON Schema of a model's validator: with one of these values, the key asks for others beside it."""
    return {
        "if": {"properties": {key: {"enum": [*sorted(values)]}}, "required": [key]},
        "then": {"required": [*required]},
    }


class PiiClass(StrEnum):
    """How personal a field's content is."""

    NONE = "none"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class FieldSpec(Model):
    """One field of a Salesforce object and the column it becomes."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [_requires("type", TEXT_TYPES, "length"), _requires("type", DECIMAL_TYPES, "precision", "scale")]
        }
    )

    salesforce: SalesforceName = Field(description="API name of the field.")
    type: FieldType = Field(description="Type as describe names it; decides the column's type.")
    column: Name = Field(description="Target column in stg and itg.")
    description: Text = Field(description="Comment on the column.")
    pii: PiiClass = Field(
        default=PiiClass.NONE,
        description="How personal the content is; stands in the column's comment and in the DAG's documentation.",
    )
    calculated: bool = Field(
        default=False,
        description="true: a formula. It changes without a trace in SystemModstamp, so its object needs"
        " `formula_refresh: daily` or `load_mode: full`.",
    )
    length: int | None = Field(
        default=None,
        ge=1,
        le=131072,
        description="Characters, as Salesforce counts them; required for the text types (string, textarea, picklist,"
        " multipicklist, email, phone, url). The column holds four bytes for each, at most 65,535.",
    )
    precision: int | None = Field(
        default=None, ge=1, le=38, description="Digits in all; required for double, currency and percent."
    )
    scale: int | None = Field(
        default=None, ge=0, le=37, description="Digits after the point; required for double, currency and percent."
    )
    since: date | None = Field(
        default=None,
        description="Day on which a running object took the field up, such as 2026-02-28. A batch that was read without"
        " it is loaded all the same, with null in its column; `new_fields: take` writes it. Not for the key, the"
        " version column, the country's column and `is_deleted`.",
    )
    trim: bool = Field(
        default=False,
        description="true: white space at both ends is left out, and what is nothing else becomes null. Text types"
        " only.",
    )
    protect: Protection | None = Field(
        default=None,
        description="Written instead of the value, which is stored nowhere then; null stays null. `hash`: its"
        " HMAC-SHA256 with the key of `secrets.protection`, 64 hex digits: the same for the same value, so that it"
        " can be counted and joined. `mask`: `***`. Text types only.",
    )

    @model_validator(mode="after")
    def _sizes_fit_the_type(self) -> FieldSpec:
        kind = self.type.value
        if self.type in TEXT_TYPES and self.length is None:
            raise unfit(f"length, for type {kind}", "add length: the characters that describe tells of", {"length": 1})
        if self.type in DECIMAL_TYPES and (self.precision is None or self.scale is None):
            sizes = {"precision": 18, "scale": 0}
            raise unfit(f"precision and scale, for type {kind}", "add precision: and scale: as describe tells", sizes)
        if self.precision is not None and self.scale is not None and self.scale > self.precision:
            raise unfit("a scale that is at most the precision", "correct scale or precision", {"scale": 0})
        return self

    @model_validator(mode="after")
    def _rules_fit_the_type(self) -> FieldSpec:
        rules = {"trim": self.trim or None, "protect": self.protect}
        for key, rule in rules.items():
            if rule is not None and self.type not in TEXT_TYPES:
                expected = f"no {key}, for type {self.type.value}: text types have it"
                raise unfit(expected, f"remove {key}", {"trim": False, "protect": None})
        return self


class CountryColumn(Model):
    """The object has the country itself, in `column` (a target column)."""

    rule: Literal["column"] = Field(description="The record has the country itself.")
    column: Name = Field(description="Target column that holds it; a field of a text type.")


class CountryVia(Model):
    """The country is that of the row of `object` that `column` (a reference) points to."""

    rule: Literal["via"] = Field(description="The record has the country of another record.")
    column: Name = Field(description="Target column of the reference; a field of type reference.")
    object: Name = Field(
        description="The object it points to. Its own rule is `column` or again `via` (not in a circle), and its key"
        " column has the same name."
    )


class CountryNone(Model):
    """Reference data: every row lives in slice ZZ."""

    rule: Literal["none"] = Field(description="Reference data: slice `ZZ`.")


CountryRule = Annotated[CountryColumn | CountryVia | CountryNone, Field(discriminator="rule")]


NewFieldPolicy = Literal["report", "take"]


class ObjectSpec(Model):
    """One Salesforce object: `metadata/objects/<object>.yaml`."""

    object: Name = Field(description="Our name of it; the file's name, and the name of its stg and itg tables.")
    salesforce_object: SalesforceName = Field(
        description="API name, such as `Testing_Volume__c`. No two files may name the same."
    )
    description: Text = Field(description="One sentence for people; shown in the DAG's documentation.")
    grain: Text = Field(description="What one row is.")
    owner: Owner = Field(description="Who answers for it, and gets its mails.")
    schedule: Text = Field(
        description="Cron, five fields, UTC. The data interval of a run is what lies between two ticks; `0 0 * * *`"
        " is one org day. Starts runs only where the environment says so."
    )
    key: Name = Field(description="Target column of the record's Id; a field of type id.")
    # _read_at_utc: the object has no time of its last change; what was read later is newer
    version_column: VersionColumn = Field(
        default="system_modstamp",
        description="Target column that says which of two versions of a record is newer; a field of type datetime."
        " `_read_at_utc`: the object has no time of its last change, so what was read later is newer; with `load_mode:"
        " full` only.",
    )
    country: CountryRule = Field(description="Which country (slice) a row belongs to.")
    load_mode: Literal["delta", "full"] = Field(
        description="What a day's run reads. `delta`: the window; the delta filter says what beside it. `full`: every"
        " record, whatever its SystemModstamp; those that it does not have leave itg. For small objects, without"
        " `sweep`, `formula_refresh` and `history`."
    )
    history: bool = Field(
        default=False,
        description="true: `itg.<object>__history` keeps every version that was read. Not for objects that are read"
        " whole: it would grow by all of them every day.",
    )
    cluster_group: Name | None = Field(
        default=None,
        description="Objects of the same group share a cluster: the first run that needs one makes it, the last to end"
        " ends it. Without it, each run has a cluster of its own. For objects that are read at the same time.",
    )
    extraction: ExtractionSettings = Field(
        default=ExtractionSettings(), description="How it is extracted. May be left out, as may each key of it."
    )
    new_fields: NewFieldPolicy = Field(
        default="report",
        description="What becomes of a field that appears in the org. `report`: the next run's start mail names it."
        " `take`: it is taken up by `publish_dags`, with its column in the tables, and read from then on; what a person"
        " has to decide is only named, with the reason.",
    )
    fields: tuple[FieldSpec, ...] = Field(
        min_length=1,
        description="The extracted fields, in the order of the columns. If `IsDeleted` is among them, deleted records"
        " are read too (queryAll).",
    )

    @property
    def has_is_deleted(self) -> bool:
        """Whether deleted rows can be seen (queryAll) or only missed."""
        return any(field.salesforce == "IsDeleted" for field in self.fields)

    @property
    def has_version_of_its_own(self) -> bool:
        """Whether records carry the time of their last change; else the time they were read stands in for it."""
        return self.version_column != READ_AT_COLUMN

    @property
    def calculated_columns(self) -> tuple[str, ...]:
        """Columns whose content changes without a trace in SystemModstamp."""
        return tuple(field.column for field in self.fields if field.calculated)


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


class Family(StrEnum):
    """The five kinds of DAG, in the order of the data."""

    SFDC_TO_S3 = "sfdc_to_s3"
    S3_TO_REDSHIFT = "s3_to_redshift"
    STG_TO_ITG = "stg_to_itg"
    ITG_TO_DM = "itg_to_dm"
    DM_TO_DM = "dm_to_dm"


Marks = Literal["same", "all", "reference"]


class Input(Model):
    """A table that another is computed from, and which slices a change in it makes stale."""

    table: QualifiedName = Field(description="An input. For itg, `stg.<object>`.")
    marks: Marks = Field(
        default="same",
        description="What a change in it makes stale here. `same`: the countries that changed. `all`: every country,"
        " once a row in `ZZ` changed, else the same. `reference`: slice `ZZ`, whatever changed, and no other.",
    )


class RowSource(Model):
    """The itg table that gives a dm table its rows, and which of them it keeps; dm.dm_data_freshness compares them."""

    table: QualifiedName = Field(description="A table of itg.")
    keeps: Literal["all", "live", "some"] = Field(
        default="some",
        description="Which of its rows stand here: `all` and one unknown member, those that are `live` (not deleted),"
        " or `some`: not row by row, so numbers are not compared.",
    )


class TableSpec(Model):
    """One target table: `metadata/tables/<schema>.<table>.yaml`."""

    table: QualifiedName = Field(description="`itg.<object>` or `dm.<table>`; the file's name.")
    family: Literal[Family.STG_TO_ITG, Family.ITG_TO_DM, Family.DM_TO_DM] = Field(
        description="Which kind of DAG. Fixes the schemas of the table and of its inputs."
    )
    description: Text = Field(description="One sentence for people.")
    owner: Owner = Field(description="Who answers for it.")
    grain: tuple[Name, ...] = Field(
        min_length=1, description="Columns that tell one row from another. For itg: the object's key."
    )
    inputs: tuple[Input, ...] = Field(
        min_length=1,
        description="What it is computed from, and waits for. For itg: its stg table and, with country rule via, the"
        " itg table of that object; nothing else.",
    )
    source: RowSource | None = Field(
        default=None,
        description="The itg table that gives it its rows, as `dm.dm_data_freshness` compares them; for tables of dm.",
    )
    uses_as_of_date: bool = Field(
        default=False,
        description="true: the result depends on the order date, so the first refresh for a new one calls every"
        " country.",
    )
    cut_off_hours: int = Field(
        default=6,
        ge=1,
        le=72,
        description="An order date is refreshed with what has arrived this many hours after its end, by the org's"
        " clock.",
    )
    statements: tuple[Text, ...] = Field(
        min_length=1,
        description="What a refresh runs for each stale country, in this order, in one transaction: `CALL"
        " schema.procedure(…)` with `:country_code`, `:as_of_date`, `:run_id` and literals. Other SQL is refused.",
    )
    columns: tuple[TableColumn, ...] = Field(
        default=(),
        description="For tables of dm, every column of the DDL but those that begin with `_`, in the order in which"
        " analysts shall see them. A table of itg has those of its object.",
    )
    checks: tuple[TableCheck, ...] = Field(
        default=(),
        description="What has to hold of the slices that a refresh has written, before it is committed. That no two"
        " rows have the same grain is checked in any case.",
    )

    @property
    def name(self) -> str:
        """The table without its schema."""
        return self.table.split(".", 1)[1]


class Catalog(Model):
    """All metadata together, checked across files; what plans are made from."""

    objects: dict[str, ObjectSpec]
    delta_filters: dict[str, DeltaFilter]
    tables: dict[str, TableSpec]  # by qualified name
    subjects: dict[str, SubjectSpec] = Field(default_factory=dict)
    versions: dict[str, str]  # file (relative to metadata/) → S3 VersionId or content hash
