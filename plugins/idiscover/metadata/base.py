"""What all models of metadata and context are made of: the base class, and texts of a certain form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

NAME_PATTERN = r"^[a-z][a-z0-9_]{0,62}$"
SALESFORCE_NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,79}$"
READ_AT_COLUMN = "_read_at_utc"  # system column: when a row was read
VERSION_COLUMN_PATTERN = rf"^([a-z][a-z0-9_]{{0,62}}|{READ_AT_COLUMN})$"
SALESFORCE_PATH_PATTERN = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$"
COLUMN_PATTERN = r"^[a-z_][a-z0-9_]{0,62}$"
# no backslash: Redshift reads one as the beginning of an escape
PLAIN_TEXT_PATTERN = r"^[^\\\x00-\x1f]{0,255}$"
QUALIFIED_NAME_PATTERN = r"^(stg|itg|dm)\.[a-z][a-z0-9_]{0,62}$"
VIEW_PATTERN = r"^dm\.v_[a-z0-9_]{1,61}$"
ITG_COLUMN_PATTERN = r"^itg\.[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$"
EMAIL_PATTERN = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"
API_VERSION_PATTERN = r"^\d{2}\.0$"
AIRFLOW_NAME_PATTERN = r"^[a-zA-Z][0-9a-zA-Z_-]{0,79}$"


@dataclass(frozen=True)
class Wording:
    """A pattern in words: as a table of the reference has room for it, and as a message tells it."""

    short: str
    full: str


PATTERNS = {
    NAME_PATTERN: Wording(
        "name",
        "a name: lower-case letters, digits and _, a letter first, at most 63 characters",
    ),
    VERSION_COLUMN_PATTERN: Wording(
        f"name, or {READ_AT_COLUMN}", f"a name of a column, such as system_modstamp, or {READ_AT_COLUMN}"
    ),
    COLUMN_PATTERN: Wording(
        "column", "a column: lower-case letters, digits and _, at most 63 characters, such as lab_id or _batch_id"
    ),
    PLAIN_TEXT_PATTERN: Wording("text", "a text of at most 255 characters on one line, without a backslash"),
    SALESFORCE_NAME_PATTERN: Wording(
        "Salesforce name",
        "a Salesforce API name: letters, digits and _, a letter first, at most 80 characters, such as Lab_Test__c",
    ),
    SALESFORCE_PATH_PATTERN: Wording(
        "Salesforce name, or Relationship.Name",
        "a Salesforce API name, or one of a parent's fields, such as Lab__r.Country_Code__c",
    ),
    QUALIFIED_NAME_PATTERN: Wording(
        "schema.name", "schema and name: stg., itg. or dm. and a name in lower case, such as itg.testing_volume"
    ),
    VIEW_PATTERN: Wording("dm.v_name", "a view of dm: dm.v_ and the name of its table, such as dm.v_dm_testing_uptake"),
    ITG_COLUMN_PATTERN: Wording("itg.object.column", "a column of itg with its table, such as itg.account.specialty"),
    EMAIL_PATTERN: Wording("e-mail address", "an e-mail address, such as team@example.com"),
    API_VERSION_PATTERN: Wording("text such as 62.0", 'a text such as "62.0"'),
    AIRFLOW_NAME_PATTERN: Wording(
        "letters, digits, `-`, `_`", "letters, digits, - and _, a letter first, at most 80 characters"
    ),
}

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
ColumnName = Annotated[str, StringConstraints(pattern=COLUMN_PATTERN)]
PlainText = Annotated[str, StringConstraints(pattern=PLAIN_TEXT_PATTERN)]
SalesforceName = Annotated[str, StringConstraints(pattern=SALESFORCE_NAME_PATTERN)]
SalesforcePath = Annotated[str, StringConstraints(pattern=SALESFORCE_PATH_PATTERN)]
VersionColumn = Annotated[str, StringConstraints(pattern=VERSION_COLUMN_PATTERN)]
QualifiedName = Annotated[str, StringConstraints(pattern=QUALIFIED_NAME_PATTERN)]
ItgColumn = Annotated[str, StringConstraints(pattern=ITG_COLUMN_PATTERN)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Email = Annotated[str, StringConstraints(pattern=EMAIL_PATTERN)]


def _moment(value: object) -> object:
    """A time or a day in ISO 8601; numbers are left for pydantic to refuse, they would be seconds since 1970."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("datetime_parsing", "not a time") from None


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Model(BaseModel):
    """Base: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Owner(Model):
    """Who answers for an object, a table or a subject."""

    name: Text = Field(description="A team or a person; the DAG's owner in Airflow.")
    email: Email = Field(description="Gets the mails of its DAGs, beside the environment's recipients.")


def unfit(expected: str, remedy: str, stand_in: Mapping[str, object] | None = None) -> PydanticCustomError:
    """Keys of one model that do not go together, for its validators to raise.

    Args:
        expected: what should have been there.
        remedy: what a person can do.
        stand_in: keys and values with which other checks can go on.
    """
    return PydanticCustomError("unfit", "{expected}", {"expected": expected, "remedy": remedy, "stand_in": stand_in})
