"""When extractions run: cron in UTC, a data interval per run, and environments whose schedules start nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.timetables.interval import CronDataIntervalTimetable

if TYPE_CHECKING:
    from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction


class OrgDayTimetable(CronDataIntervalTimetable):
    """A run per data interval, which is what lies between two ticks of `cron`; for `0 0 * * *`, one org day.

    A plain cron string would have empty data intervals. With `starts_runs` False the scheduler never finds a next
    run, because a laptop's org lives on days of its own: there, runs are created over REST, by hand or by a backfill.

    The scheduler asks with the DAG's `catchup` (always False here), a backfill always with `catchup` True: that is
    how the two are told apart.

    Args:
        cron: five fields, UTC.
        starts_runs: whether the scheduler starts runs by itself.
    """

    periodic = True  # else a backfill is refused

    def __init__(self, cron: str, starts_runs: bool) -> None:
        super().__init__(cron, timezone="UTC")
        self._starts_runs = starts_runs
        if not starts_runs:
            self.description = f"{self.description} (UTC), started by hand, REST or backfill only"

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> OrgDayTimetable:
        """The timetable that `serialize` describes."""
        return cls(data["cron"], data["starts_runs"])

    def serialize(self) -> dict[str, Any]:
        """What `deserialize` needs; stored with the serialized DAG."""
        return {"cron": self._expression, "starts_runs": self._starts_runs}

    @property
    def summary(self) -> str:
        """What Airflow's list of DAGs shows."""
        return self._expression if self._starts_runs else f"{self._expression} (starts nothing here)"

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """The next run after the last automated one, or None for the scheduler where schedules start nothing."""
        if not self._starts_runs and not restriction.catchup:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )

    def __eq__(self, other: object) -> bool:
        """Same cron, same behaviour; Airflow compares timetables in its own tests only."""
        return isinstance(other, OrgDayTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self._starts_runs))
