"""A query read by REST, for objects that the Bulk API does not serve: its records as the Bulk API would write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from idiscover.errors import DataQualityError
from idiscover.metadata.models import DECIMAL_TYPES, FieldType
from idiscover.plan.model import ColumnPlan
from idiscover.salesforce.session import SalesforceSession

_BULK_UTC, _REST_UTC = "Z", "+0000"


class RestStream:
    """Reads one query, 2,000 records at a time; the same surface as `PageStream`.

    The locator of REST names a place in a snapshot of the query's Ids, so that a call that breaks is made again without
    a loss; a locator that has lapsed (two days) is an error of Salesforce's.

    Attributes:
        announced_rows: totalSize; None before the first answer.
        next_locator: always None: it is one page, however long.
        resumes: always 0: the session makes a broken call again.
        bytes: of the CSV passed on so far.
    """

    next_locator: None = None
    resumes = 0

    def __init__(
        self, session: SalesforceSession, soql: str, include_deleted: bool, columns: Sequence[ColumnPlan]
    ) -> None:
        self._session = session
        self._soql = soql
        self._verb = "queryAll" if include_deleted else "query"
        self._columns = tuple(columns)
        self.announced_rows: int | None = None
        self.bytes = 0

    def chunks(self) -> Iterator[bytes]:
        """Header and records as CSV, a chunk for each answer.

        Raises:
            DataQualityError: the answers do not have the records that were announced.
            ConfigError, FatalError, RetriableError: Salesforce refuses or does not answer.
        """
        yield self._took([column.salesforce for column in self._columns])
        answer = self._ask(f"{self._session.data_path}/{self._verb}/", {"q": self._soql})
        self.announced_rows = int(answer["totalSize"])
        read = 0
        while True:
            records = answer["records"]
            read += len(records)
            if records:
                yield self._took(*([_text(record, column) for column in self._columns] for record in records))
            following = answer.get("nextRecordsUrl")
            if not following:
                break
            answer = self._ask(following)
        if read != self.announced_rows:
            raise DataQualityError(
                "REST gave another number of records than it announced",
                where=self._soql,
                got=f"{read} records",
                expected=f"{self.announced_rows} (totalSize)",
                remedy="run the extraction again",
            )

    def _ask(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        # numbers as the text that they are: a float would lose digits
        answer = self._session.send("GET", path, params=params).json(parse_float=str, parse_int=str)
        return dict(answer)

    def _took(self, *rows: Sequence[str]) -> bytes:
        lines = ('"' + '","'.join(value.replace('"', '""') for value in row) + '"\n' for row in rows)
        chunk = "".join(lines).encode()
        self.bytes += len(chunk)
        return chunk


def _text(record: Mapping[str, Any], column: ColumnPlan) -> str:
    """The value of a field, or of a parent's field, as Bulk's CSV has it."""
    value: object = record
    for name in column.salesforce.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if column.type is FieldType.DATETIME:
        return text.removesuffix(_REST_UTC) + _BULK_UTC if text.endswith(_REST_UTC) else text
    return text.upper() if column.type in DECIMAL_TYPES else text  # an exponent is written as E
