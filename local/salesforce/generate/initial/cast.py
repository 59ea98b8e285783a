"""Who and what the history has made so far, as its later parts need them."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from local.salesforce.events import Record
from local.salesforce.generate.records.field_force import HEADQUARTERS
from local.salesforce.times import from_iso


@dataclass(frozen=True, slots=True)
class Party:
    """A lab, an organisation or a professional."""

    id: str
    country: str | None
    created_at: datetime

    @classmethod
    def of(cls, record: Record) -> "Party":
        """The party of an account's record."""
        country = record["Country_Code__c"]
        return cls(str(record["Id"]), None if country is None else str(country), from_iso(str(record["CreatedDate"])))


@dataclass(frozen=True, slots=True)
class Marker:
    """A biomarker with its therapeutic area."""

    id: str
    name: str
    area_id: str | None


@dataclass
class Cast:
    """The org's people and places; `users` and `territories` are by country, headquarters' under its own name."""

    areas: list[str] = field(default_factory=list)
    markers: list[Marker] = field(default_factory=list)
    hospitals: list[Party] = field(default_factory=list)
    labs: list[Party] = field(default_factory=list)
    professionals: list[Party] = field(default_factory=list)
    users: Mapping[str, list[str]] = field(default_factory=dict)
    territories: Mapping[str, list[str]] = field(default_factory=dict)
    people_of: dict[str, list[Party]] = field(default_factory=lambda: defaultdict(list))

    def owner(self, rng: random.Random, country: str | None) -> str:
        """Someone who looks after a country; of the headquarters where it has nobody."""
        return rng.choice(self.users.get(country or "") or self.users[HEADQUARTERS])

    def territory(self, rng: random.Random, country: str | None) -> str:
        """A part of a country; of the world where it is not known."""
        return rng.choice(self.territories.get(country or "") or self.territories[HEADQUARTERS])
