"""A whole small stack for end-to-end tests: the command line as a person uses it, and questions to what it left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from idiscover.aws import redshift

from local.demo.stand import Stand
from local.stack.layout import ROOT, load_settings, stack_layout
from tests.oracle import Difference, compare, compute
from tests.oracle.shapes import Tables

SCALE = "0.02"
VERB_SECONDS = 900
_HOPS = re.compile(r"all (\d+) hops agree")


@dataclass(frozen=True)
class Outcome:
    """How a verb ended."""

    status: int
    output: str

    @property
    def agreeing_hops(self) -> int:
        """Hops of a table in which all agree; 0 where one differs."""
        found = _HOPS.search(self.output)
        return int(found.group(1)) if found else 0


class Chain:
    """A stack below `folder`, driven by the command line alone."""

    def __init__(self, folder: Path, name: str = "chain") -> None:
        self._folder, self._name = folder, name
        self._stand: Stand | None = None

    def run(self, verb: str, *options: str) -> Outcome:
        """Runs `idiscover <verb> --stack …` to its end."""
        command = [str(Path(sys.executable).parent / "idiscover"), verb, "--stack", self._name, *options]
        environment = {**os.environ, "IDISCOVER_STACKS": str(self._folder), "COLUMNS": "200"}
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=VERB_SECONDS,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    @property
    def stand(self) -> Stand:
        """The running stack; from the first use on, this process's AWS calls go there."""
        if self._stand is None:
            os.environ["IDISCOVER_STACKS"] = str(self._folder)
            layout = stack_layout(self._name)
            settings = load_settings(layout)
            assert settings is not None, "the stack was never started"
            self._stand = Stand(layout, settings)
        return self._stand

    @property
    def order_date(self) -> date:
        """The org's last complete day."""
        return self.stand.org_clock()[0].date() - timedelta(days=1)

    def differences(self) -> list[Difference]:
        """What the warehouse says other than the oracle, which knows the org's event log and the reads alone."""
        expected = compute(self.stand.layout.state("salesforce"), self.order_date)
        return compare(expected, self.tables(sorted(expected)))

    def tables(self, names: list[str]) -> Tables:
        """All rows of warehouse tables, by column name."""
        found: Tables = {}
        settings = self.stand.context
        for name in names:
            with redshift.transaction(settings.secrets.redshift, settings.region) as cursor:
                cursor.execute(f"select * from {name}")
                columns = [column[0] for column in cursor.description or ()]
                found[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        return found

    def change_warehouse(self, sql: str) -> None:
        """Runs one statement in the warehouse, behind the platform's back."""
        settings = self.stand.context
        with redshift.transaction(settings.secrets.redshift, settings.region) as cursor:
            cursor.execute(sql)

    def refreshes(self, order_date: date) -> dict[str, int]:
        """Finished refreshes per table for one order date."""
        rows = self.stand.job_metadata(
            "select target, count(*) from job.claim where state = 'finished' and order_date = %s group by target",
            [order_date],
        )
        return {target: int(count) for target, count in rows}

    def bytes_of(self, order_date: date) -> int:
        """Stored bytes of the day's batches."""
        rows = self.stand.job_metadata("select sum(bytes) from job.batch where order_date = %s", [order_date])
        return int(rows[0][0])
