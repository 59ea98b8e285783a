"""The one module of this folder that Airflow loads as a plugin; everything else lies in the package beside it."""

from __future__ import annotations

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.base import Timetable
from idiscover.orchestration.timetable import OrgDayTimetable


class IdiscoverPlugin(AirflowPlugin):
    """Registers what serialized DAGs refer to by import path."""

    name = "idiscover"
    timetables: ClassVar[list[type[Timetable]]] = [OrgDayTimetable]
