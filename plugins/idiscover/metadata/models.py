"""Models of everything that people write: objects, tables, and all of them together.

Those of fields, delta filters, subjects and environments stand in files of their own, and are found here too.

One file each, YAML, frozen, no unknown keys. The models say what is allowed; `loading.py` reads the
files (a folder or an `s3://` URI) and `validation.py` checks what spans several files.

The description of a key is what editors show (`schemas.py`) and what docs/metadata.md says of it (`reference.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

# whoever asks for a model finds it here
from idiscover.metadata.base import NAME_PATTERN as NAME_PATTERN
from idiscover.metadata.base import QUALIFIED_NAME_PATTERN as QUALIFIED_NAME_PATTERN
from idiscover.metadata.base import READ_AT_COLUMN as READ_AT_COLUMN
from idiscover.metadata.base import SALESFORCE_NAME_PATTERN as SALESFORCE_NAME_PATTERN
from idiscover.metadata.base import Email as Email
from idiscover.metadata.base import Model as Model
from idiscover.metadata.base import Name, QualifiedName, SalesforceName, Text, VersionColumn
from idiscover.metadata.base import Owner as Owner
from idiscover.metadata.delta_filters import DAYS_OF_INTERVAL as DAYS_OF_INTERVAL
from idiscover.metadata.delta_filters import DeltaFilter as DeltaFilter
from idiscover.metadata.delta_filters import FilterCondition as FilterCondition
from idiscover.metadata.delta_filters import Interval as Interval
from idiscover.metadata.environment import AirflowSettings as AirflowSettings
from idiscover.metadata.environment import Buckets as Buckets
from idiscover.metadata.environment import CheckSettings as CheckSettings
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
from idiscover.metadata.fields import DECIMAL_TYPES as DECIMAL_TYPES
from idiscover.metadata.fields import TEXT_TYPES as TEXT_TYPES
from idiscover.metadata.fields import FieldSpec as FieldSpec
from idiscover.metadata.fields import FieldType as FieldType
from idiscover.metadata.fields import PiiClass as PiiClass
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
