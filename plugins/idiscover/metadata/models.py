"""Models of everything that people write: objects, delta filters, tables, environments.

One file each, YAML, frozen, no unknown keys. The models say what is allowed; `loading.py` reads the
files (a folder or an `s3://` URI) and `validation.py` checks what spans several files.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
SALESFORCE_NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
READ_AT_COLUMN = "_read_at_utc"  # system column: when a row was read
VERSION_COLUMN_PATTERN = rf"^([a-z][a-z0-9_]{{0,62}}|{READ_AT_COLUMN})$"
QUALIFIED_NAME_PATTERN = r"^(stg|itg|dm)\.[a-z][a-z0-9_]{0,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
SalesforceName = Annotated[str, StringConstraints(pattern=SALESFORCE_NAME_PATTERN)]
QualifiedName = Annotated[str, StringConstraints(pattern=QUALIFIED_NAME_PATTERN)]
VersionColumn = Annotated[str, StringConstraints(pattern=VERSION_COLUMN_PATTERN)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Model(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class PiiClass(StrEnum):
    """How personal a field's content is."""

    NONE = "none"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


class Owner(Model):
    """Who answers for an object or a table."""

    name: Text
    email: Email


class FieldSpec(Model):
    """One field of a Salesforce object and the column it becomes.

    `length` is Salesforce's length in characters (text types); `precision` and `scale` belong to
    double, currency and percent. `calculated` fields are formulas: a change of theirs does not touch SystemModstamp.
    """

    salesforce: SalesforceName
    type: FieldType
    column: Name
    description: Text
    pii: PiiClass = PiiClass.NONE
    calculated: bool = False
    length: int | None = Field(default=None, ge=1, le=131072)
    precision: int | None = Field(default=None, ge=1, le=38)
    scale: int | None = Field(default=None, ge=0, le=37)

    @model_validator(mode="after")
    def _sizes_fit_the_type(self) -> FieldSpec:
        if self.type in TEXT_TYPES and self.length is None:
            raise ValueError(f"length is required for type {self.type.value}")
        if self.type in DECIMAL_TYPES and (self.precision is None or self.scale is None):
            raise ValueError(f"precision and scale are required for type {self.type.value}")
        return self


class CountryColumn(Model):
    """The object has the country itself, in `column` (a target column)."""

    rule: Literal["column"]
    column: Name


class CountryVia(Model):
    """The country is that of the row of `object` that `column` (a reference) points to."""

    rule: Literal["via"]
    column: Name
    object: Name


class CountryNone(Model):
    """Reference data: every row lives in slice ZZ."""

    rule: Literal["none"]


CountryRule = Annotated[CountryColumn | CountryVia | CountryNone, Field(discriminator="rule")]


class ObjectSpec(Model):
    """One Salesforce object: `metadata/objects/<object>.yaml`."""

    object: Name
    salesforce_object: SalesforceName
    description: Text
    grain: Text
    owner: Owner
    schedule: Text  # five-field cron in UTC; the data interval is what lies between two ticks
    key: Name  # target column of the record Id
    # _read_at_utc: the object has no time of its last change; what was read later is newer
    version_column: VersionColumn = "system_modstamp"
    country: CountryRule
    load_mode: Literal["delta", "full"]  # full: scheduled and manual runs read the whole object
    history: bool = False  # keep every version that was read, in itg.<object>__history
    fields: tuple[FieldSpec, ...] = Field(min_length=1)

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

    field: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$")]
    op: Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in"]
    value: str | bool | int | float | tuple[str | int | float, ...] | None


Interval = Literal["never", "daily"]


class DeltaFilter(Model):
    """What a delta of an object is, and what a day's run reads beside it: `metadata/delta_filter/<object>.yaml`.

    `sweep`: how often the Id of every record is read, to see which there are no more; `formula_refresh`: how often
    every record is read, whatever its SystemModstamp; `most_gone_percent`: a read of every Id that lacks more of those
    that the one before it had is refused.
    """

    object: Name
    field: SalesforceName | None = None  # None: the object has no time of its last change, and is read whole
    lookback_minutes: int = Field(ge=0, le=60 * 24 * 31)
    start: datetime  # where the first window begins; UTC
    filter: tuple[FilterCondition, ...] = ()
    sweep: Interval = "never"
    formula_refresh: Interval = "never"
    most_gone_percent: int = Field(default=20, ge=0, le=100)


class Family(StrEnum):
    """The five kinds of DAG, in the order of the data."""

    SFDC_TO_S3 = "sfdc_to_s3"
    S3_TO_REDSHIFT = "s3_to_redshift"
    STG_TO_ITG = "stg_to_itg"
    ITG_TO_DM = "itg_to_dm"
    DM_TO_DM = "dm_to_dm"


Marks = Literal["same", "all", "reference"]


class Input(Model):
    """A table that another is computed from, and which slices a change in it makes stale.

    `same`: the slices that changed in the input; `all`: every slice, once a row in ZZ changed, else the same;
    `reference`: slice ZZ, whatever changed, and no other.
    """

    table: QualifiedName
    marks: Marks = "same"


class RowSource(Model):
    """The itg table that gives a dm table its rows, and which of them it keeps, as dm.dm_data_freshness compares them.

    `all`: every row, and an unknown member; `live`: those that are not deleted; `some`: not row by row.
    """

    table: QualifiedName
    keeps: Literal["all", "live", "some"] = "some"


class TableSpec(Model):
    """One target table: `metadata/tables/<schema>.<table>.yaml`."""

    table: QualifiedName
    family: Literal[Family.STG_TO_ITG, Family.ITG_TO_DM, Family.DM_TO_DM]
    description: Text
    owner: Owner
    grain: tuple[Name, ...] = Field(min_length=1)
    inputs: tuple[Input, ...] = Field(min_length=1)
    source: RowSource | None = None
    uses_as_of_date: bool = False
    cut_off_hours: int = Field(default=6, ge=1, le=72)  # after the order date's end, by the org's clock
    statements: tuple[Text, ...] = Field(min_length=1)

    @property
    def name(self) -> str:
        """The table without its schema."""
        return self.table.split(".", 1)[1]


class Buckets(Model):
    """Names of the data bucket and of the bucket that holds the DAG files."""

    data: Text
    dags: Text


class SecretNames(Model):
    """Where credentials lie in Secrets Manager; never the credentials themselves."""

    salesforce: Text
    s3_target: Text
    redshift: Text
    job_metadata: Text


class MailSettings(Model):
    """Who sends the platform's e-mails and who gets them besides the owner."""

    sender: Email
    recipients: tuple[Email, ...] = Field(min_length=1)


class EmrSettings(Model):
    """The cluster that an extraction creates."""

    release_label: Text
    instance_type: Text
    core_instances: int = Field(ge=0, le=100)
    service_role: Text
    job_flow_role: Text
    subnet_id: str | None = None
    log_prefix: Text  # key prefix in the data bucket
    idle_timeout_seconds: int = Field(ge=60, le=604800)
    step_timeout_minutes: int = Field(ge=1, le=1440)
    poll_seconds: int = Field(ge=1, le=300)
    defer_after_seconds: int = Field(default=0, ge=0, le=3600)  # what is over sooner is waited for by the worker


class SalesforceSettings(Model):
    """How the org is asked; the address comes from the secret."""

    api_version: Annotated[str, StringConstraints(pattern=r"^\d{2}\.0$")]
    page_rows: int = Field(ge=1, le=1_000_000)
    parallel_pages: int = Field(ge=1, le=64)
    job_timeout_minutes: int = Field(ge=1, le=1440)


class RedshiftSettings(Model):
    """What COPY is allowed to read with."""

    copy_role_arn: Text


class AirflowSettings(Model):
    """Which MWAA environment this is, and how the DAGs behave in it."""

    environment_name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z][0-9a-zA-Z_-]{0,79}$")]
    schedules_start_runs: bool
    start_date: datetime
    sweep_schedule: Text
    publish_schedule: Text = "*/5 * * * *"
    most_deleted_percent: int = Field(default=50, ge=0, le=100)  # of DAGs, by one publication
    retries: int = Field(ge=0, le=10)
    retry_delay_seconds: int = Field(ge=1, le=3600)
    emr_pool_slots: int = Field(ge=1, le=100)
    units_per_task: int = Field(default=10, ge=1, le=100)  # of countries, in one task of a refresh


class Context(Model):
    """One environment: `context/<environment>.yaml`."""

    environment: Name
    region: Text
    buckets: Buckets
    secrets: SecretNames
    mail: MailSettings
    emr: EmrSettings
    salesforce: SalesforceSettings
    redshift: RedshiftSettings
    airflow: AirflowSettings


class Catalog(Model):
    """All metadata together, checked across files; what plans are made from."""

    objects: dict[str, ObjectSpec]
    delta_filters: dict[str, DeltaFilter]
    tables: dict[str, TableSpec]  # by qualified name
    versions: dict[str, str]  # file (relative to metadata/) → S3 VersionId or content hash
