"""What each DAG does, as data.

A plan holds all that a DAG needs at parse and at run time, so that a DAG file reads one JSON
document and nothing else. Plans are made from a `Catalog` and a `Context` by `plan/build.py`,
written beside the DAG file by the compiler, and bound to operators by `orchestration/`.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from idiscover.metadata.models import (
    Context,
    CountryRule,
    ExtractionSettings,
    Family,
    FieldType,
    FilterCondition,
    Marks,
    Owner,
    Protection,
    SalesforceSettings,
    SecretNames,
    TableCheck,
)


class PlanModel(BaseModel):
    """Base: immutable, unknown keys refused, JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunKind(StrEnum):
    """Why a run exists; it decides the window and how its changes are refreshed."""

    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"


class ReadMode(StrEnum):
    """What a run reads of its object; `plan/reads.py` decides."""

    WINDOW = "window"  # rows whose SystemModstamp lies in the window
    WINDOW_AND_IDS = "window_and_ids"  # those, and then the Id of every row
    WHOLE = "whole"  # every row

    @property
    def tells_absence(self) -> bool:
        """Whether such a read knows every Id, so that records it does not have are gone."""
        return self is not ReadMode.WINDOW


class BatchContent(StrEnum):
    """What a file of a batch holds; each content is asked for by a query of its own."""

    ROWS = "rows"  # records with all their columns
    IDS = "ids"  # the Id of every record there is


class DagHeader(PlanModel):
    """What every DAG has, whatever its family."""

    dag_id: str
    family: Family
    description: str
    doc_md: str
    owner: Owner
    tags: tuple[str, ...]
    wakes_on: tuple[str, ...]  # asset URIs, any of which starts a run
    outlet: str  # asset URI that a successful `end` emits
    pools: dict[str, int]  # name → slots; they exist before the DAG's file does
    metadata_versions: dict[str, str]  # file → version that this plan was made from
    notice: str | None = None  # Markdown: an edit of one of these files was refused, and why


class ColumnPlan(PlanModel):
    """One extracted field: Salesforce name, type, target column, and what its values are held to."""

    salesforce: str
    type: FieldType
    column: str
    length: int | None = None  # characters, of a text
    precision: int | None = None  # of a decimal
    scale: int | None = None
    trim: bool = False
    protect: Protection | None = None
    calculated: bool = False  # a formula: it changes without a trace


class ConsumerPlan(PlanModel):
    """A table that is computed from this one, and which of its slices a change makes stale."""

    table: str
    marks: Marks


class ReadinessPlan(PlanModel):
    """What has to have come before a table may be refreshed: its inputs, or its cut-off."""

    table: str
    inputs: tuple[str, ...]
    cut_off_hours: int


class ExtractionPlan(PlanModel):
    """`sfdc_to_s3__<object>`."""

    kind: Literal["extraction"] = "extraction"
    header: DagHeader
    context: Context
    schedule: str  # cron, UTC
    object: str
    salesforce_object: str
    operation: Literal["query", "queryAll"]
    columns: tuple[ColumnPlan, ...]
    key: str  # target column of the record Id
    daily_read_mode: ReadMode  # of scheduled and manual runs, when it is due; see plan/reads.py
    due_every_days: int = 1  # on the days between, such runs read their window alone
    most_gone_percent: int  # a read of every Id that lacks more of those before is refused
    delta_field: str | None  # None: no window can be cut, every run reads every record
    lookback_minutes: int
    start: datetime
    filter: tuple[FilterCondition, ...]
    country_field: str | None = None  # Salesforce name; None: a record's country is not known to Salesforce alone
    extraction: ExtractionSettings = ExtractionSettings()
    cluster_group: str | None = None  # whose runs share a cluster; None: a run has one of its own
    takes_new_fields: bool = False  # what appears in the org is asked for, not only told
    code_sha: str


class LoadPlan(PlanModel):
    """`s3_to_redshift__<object>`."""

    kind: Literal["load"] = "load"
    header: DagHeader
    context: Context
    object: str
    table: str  # stg.<object>
    columns: tuple[str, ...]  # as in the files: target columns, _read_at_utc, _batch_id
    late_columns: tuple[str, ...] = ()  # those that batches may lack: they were read before the field was taken up
    told_columns: tuple[str, ...] = ()  # those with pii none: what COPY refuses in them is shown
    key: str  # target column of the record Id
    consumers: tuple[ConsumerPlan, ...]
    wakes: tuple[ReadinessPlan, ...]  # the consumers again: each is woken once something is ready for it

    @property
    def ids_table(self) -> str:
        """Where the Ids of reads that tell absence go."""
        return f"{self.table}__ids"

    def can_load(self, columns: tuple[str, ...]) -> bool:
        """Whether a batch with these columns is one of ours: all of today's, but for some that came later."""
        return columns == tuple(name for name in self.columns if name in columns or name not in self.late_columns)


class ItgPlan(PlanModel):
    """What the SQL around an itg table has to know: `warehouse/queries.py` renders from it."""

    object: str
    key: str
    version_column: str
    columns: tuple[str, ...]  # target columns, without system columns
    country: CountryRule
    history: bool  # whether itg.<object>__history keeps every version


class RefreshPlan(PlanModel):
    """`stg_to_itg__…`, `itg_to_dm__…`, `dm_to_dm__…`.

    `statements` are those of compile time; a run reads `metadata_key` anew. `itg` is there for
    stg_to_itg only.
    """

    kind: Literal["refresh"] = "refresh"
    header: DagHeader
    context: Context
    table: str
    itg: ItgPlan | None
    inputs: tuple[str, ...]
    reference_inputs: tuple[str, ...]  # those of them that make slice ZZ stale and no other
    consumers: tuple[ConsumerPlan, ...]
    wakes: tuple[ReadinessPlan, ...]  # the consumers again: each is woken once something is ready for it
    uses_as_of_date: bool
    cut_off_hours: int
    metadata_key: str
    statements: tuple[str, ...]
    grain: tuple[str, ...] = ()  # columns that tell one row from another
    checks: tuple[TableCheck, ...] = ()  # of what a refresh has written, that of the grain too
    target_pool: str  # one slot: write locks are per table


Plan = Annotated[ExtractionPlan | LoadPlan | RefreshPlan, Field(discriminator="kind")]


class RunIdentity(PlanModel):
    """Which DAG run is meant, as the functions under `aws/` that do its work need it."""

    dag_id: str
    run_id: str
    run_type: str  # Airflow's: scheduled, manual, backfill, asset_triggered, …
    interval_start_utc: datetime | None = None
    interval_end_utc: datetime | None = None
    # DAG parameters from here on
    order_date: date | None = None
    window_start_utc: datetime | None = None
    window_end_utc: datetime | None = None
    mode: Literal["delta", "full"] | None = None  # None: what the object's daily run reads
    countries: tuple[str, ...] = ()  # sorted; none: all
    dry_run: bool = False
    reason: str | None = None


class Window(PlanModel):
    """Half-open on SystemModstamp, UTC, and what is read beside it; frozen per (object, run_id, run_type)."""

    object: str
    run_id: str
    run_kind: RunKind
    order_date: date
    batch_id: str
    start_utc: datetime
    end_utc: datetime
    read_mode: ReadMode
    countries: tuple[str, ...] = ()  # only records of these are read; none: of all
    reason: str | None = None  # why a person started the run

    @property
    def is_empty(self) -> bool:
        """No row lies in an empty window, and no job is spent on it."""
        return self.start_utc >= self.end_utc


class QueryRange(PlanModel):
    """A part of what one read asks for, half-open in time or in Ids; None is no bound but the read's own."""

    start_utc: datetime | None = None
    end_utc: datetime | None = None
    id_from: str | None = None
    id_before: str | None = None


class ExtractionRequest(PlanModel):
    """All that one EMR step is told; lies in S3 at `status/<dag_id>/<run_id>/request.json`.

    The step's arguments are `--request s3://<bucket>/<key>` and nothing else. No credentials: their
    names in Secrets Manager only.
    """

    window: Window
    object: str
    salesforce_object: str
    operation: Literal["query", "queryAll"]
    columns: tuple[ColumnPlan, ...]
    key: str  # target column of the record Id, one of `columns`
    delta_field: str | None
    filter: tuple[FilterCondition, ...]
    data_bucket: str
    target_prefix: str  # source/<object>/<batch_id>/
    status_key: str  # where the step writes its own JSON log
    secrets: SecretNames
    salesforce: SalesforceSettings
    extraction: ExtractionSettings = ExtractionSettings()
    region: str
    code_sha: str
