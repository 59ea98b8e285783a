"""Judges any mutant: one of dm by its table, one of itg by what it does to each procedure of the same template."""

from __future__ import annotations

from idiscover.metadata.models import Catalog
from psycopg2.extensions import connection as Connection

from tests.mutation.changes import Change
from tests.mutation.dm_judge import DmJudge
from tests.mutation.itg_judge import ItgJudge
from tests.mutation.procedures import Procedure, dm_procedures, empty, itg_procedures


class Court:
    """A warehouse with a release in it. It is filled for one kind of procedure at a time: first itg, then dm."""

    def __init__(self, connection: Connection, catalog: Catalog) -> None:
        self._connection, self._catalog = connection, catalog
        procedures = (*itg_procedures(catalog).values(), *dm_procedures(catalog).values())
        self.procedures = {procedure.name: procedure for procedure in procedures}
        self._judge: ItgJudge | DmJudge | None = None

    def sound(self, name: str) -> str | None:
        """What is wrong with the procedure as it is; None if nothing."""
        procedure = self.procedures[name]
        return self._judge_of(procedure).verdict(procedure, procedure.sql)

    def verdict(self, change: Change) -> str | None:
        """How a change gives itself away in any of the procedures that it is made to; None if in none."""
        for mutant in change.mutants:
            procedure = self.procedures[mutant.procedure]
            found = self._judge_of(procedure).verdict(procedure, mutant.sql)
            if found:
                return found
        return None

    def _judge_of(self, procedure: Procedure) -> ItgJudge | DmJudge:
        kind = ItgJudge if procedure.name.startswith("itg.") else DmJudge
        if not isinstance(self._judge, kind):
            empty(self._connection)
            self._judge = kind(self._connection, self._catalog)
        return self._judge
