"""Configured statements as text and parameters for the database driver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from idiscover.metadata.statements import Call, Parameter, parse_call

BoundValue = str | int | float | bool | date | None


@dataclass(frozen=True)
class ParsedStatement:
    """A statement that passed the allow-list."""

    call: Call

    def bind(self, country_code: str, as_of_date: date, run_id: str) -> tuple[str, dict[str, object]]:
        """Text and parameters as psycopg2's `cursor.execute` takes them.

        Every value is bound, literals of the statement too, so that no text of metadata is spliced into SQL.
        """
        values: dict[Parameter, BoundValue] = {
            Parameter.COUNTRY_CODE: country_code,
            Parameter.AS_OF_DATE: as_of_date,
            Parameter.RUN_ID: run_id,
        }
        placeholders: list[str] = []
        parameters: dict[str, object] = {}
        for position, argument in enumerate(self.call.arguments, start=1):
            is_parameter = isinstance(argument, Parameter)
            name = argument.value if is_parameter else f"literal_{position}"
            parameters[name] = values[argument] if is_parameter else argument
            placeholders.append(f"%({name})s")
        return f"call {self.call.qualified_name}({', '.join(placeholders)})", parameters


def parse_statement(text: str) -> ParsedStatement:
    """Parse and allow-list one statement of a table's metadata.

    Raises:
        ConfigError: it is anything but `CALL schema.procedure(parameters or literals)`.
    """
    return ParsedStatement(parse_call(text))
