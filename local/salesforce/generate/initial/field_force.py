"""Users, the tree of territories, who works in which, and which accounts lie in which."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from local.salesforce import schema
from local.salesforce.events import EventKind
from local.salesforce.generate.history import HISTORY_ENDS, History, between
from local.salesforce.generate.initial.cast import Cast, Party
from local.salesforce.generate.phrases import REGIONS
from local.salesforce.generate.records import field_force as make
from local.salesforce.generate.vocabulary import COUNTRIES, COUNTRY_WHEEL

USERS, TERRITORIES, MEMBERSHIPS, COVERAGES = 160, 60, 220, 4_000
_BEGINNING = datetime(2022, 12, 1, 9, 0, tzinfo=UTC)
_REGIONS_PER_COUNTRY = 2
_HEADS = 8
_DELETED_LEAF = 3


def add_field_force(history: History, cast: Cast) -> None:
    """Users and territories."""
    _add_users(history, cast)
    leaves = _add_territories(history, cast)
    _add_memberships(history, cast, leaves)


def _add_users(history: History, cast: Cast) -> None:
    """The first eight sit in the headquarters; then two per country who lead the others of it."""
    world = history.world
    rng, later = world.rng("initial:users"), world.rng("initial:users:later")
    users: dict[str, list[str]] = defaultdict(list)
    for number in range(max(_HEADS + 3 * len(COUNTRIES), world.count(USERS))):
        turn = number - _HEADS
        country = None if turn < 0 else COUNTRIES[turn % len(COUNTRIES)]
        if turn >= 3 * len(COUNTRIES):
            country = rng.choice(COUNTRY_WHEEL)
        peers = users[country or make.HEADQUARTERS]
        manager = peers[turn % 2] if country and len(peers) >= 2 else (schema.USER_IDS[0] if number else None)
        stamp = _BEGINNING + timedelta(minutes=7 * number)
        values = make.new_user(rng, number, country, manager)
        record = history.insert(schema.USER, stamp, values, record_id=schema.user_id(number))
        history.live_on(later, schema.USER, record, make.changed_user if number >= _HEADS else None, deleted=False)
        peers.append(str(record["Id"]))
    cast.users = users


def _add_territories(history: History, cast: Cast) -> dict[str, list[str]]:
    """The world, its countries, two regions of each, and areas below those; the leaves by country."""
    root = _add_territory(history, None, "", None)
    tops = {country: _add_territory(history, country, "", root) for country in COUNTRIES}
    regions = {
        country: [_add_territory(history, country, REGIONS[i], tops[country]) for i in range(_REGIONS_PER_COUNTRY)]
        for country in COUNTRIES
    }
    leaves: dict[str, list[str]] = {country: [] for country in COUNTRIES}
    wanted = max(2 * len(COUNTRIES), history.world.count(TERRITORIES) - history.next_number(schema.TERRITORY))
    for number in range(wanted):
        country = COUNTRIES[number % len(COUNTRIES)]
        turn = number // len(COUNTRIES)
        parent = regions[country][turn % _REGIONS_PER_COUNTRY]
        part = f"{REGIONS[turn % _REGIONS_PER_COUNTRY]} {turn + 1}"
        leaves[country].append(_add_territory(history, country, part, parent))
        if number == _DELETED_LEAF:
            gone = _BEGINNING + timedelta(days=200)
            record = {"Id": leaves[country][-1]}
            history.follow(schema.TERRITORY.name, record, EventKind.DELETE, gone, {"IsDeleted": True})
    cast.territories = {**leaves, make.HEADQUARTERS: [root]}
    return leaves


def _add_territory(history: History, country: str | None, part: str, parent_id: str | None) -> str:
    number = history.next_number(schema.TERRITORY)
    stamp = _BEGINNING + timedelta(days=10, minutes=number)
    values = make.new_territory(number, country, part, parent_id)
    return str(history.insert(schema.TERRITORY, stamp, values)["Id"])


def _add_memberships(history: History, cast: Cast, leaves: dict[str, list[str]]) -> None:
    """Everybody of a country works in one of its territories, some in two; one in ten does not any more."""
    rng = history.world.rng("initial:memberships")
    pairs: dict[tuple[str, str], None] = {}
    members = [(user, country) for country in COUNTRIES for user in cast.users[country]]
    for turn in range(max(len(members), history.world.count(MEMBERSHIPS))):
        user, country = members[turn % len(members)]
        pair = (user, rng.choice(leaves[country]))
        if pair in pairs:
            continue
        pairs[pair] = None
        stamp = _BEGINNING + timedelta(days=30, minutes=turn)
        values = make.new_membership(rng, *pair, is_active=rng.randrange(10) > 0)
        record = history.insert(schema.USER_TERRITORY_ASSOCIATION, stamp, values)
        history.live_on(rng, schema.USER_TERRITORY_ASSOCIATION, record, make.changed_membership, deleted=False)


def add_coverages(history: History, cast: Cast) -> None:
    """Most labs and some professionals lie in a territory, mostly of their country; a few organisations by mistake."""
    rng = history.world.rng("initial:coverages")
    for number in range(max(len(cast.labs), history.world.count(COVERAGES))):
        account = _covered_account(cast, number, rng.randrange(1 << 30))
        country = rng.choice(COUNTRIES) if rng.randrange(30) == 0 else account.country
        values = make.new_coverage(rng, account.id, cast.territory(rng, country))
        stamp = between(rng, account.created_at + timedelta(hours=1), HISTORY_ENDS)
        record = history.insert(schema.OBJECT_TERRITORY_ASSOCIATION, stamp, values)
        deleted = number % 55 == 21
        history.live_on(rng, schema.OBJECT_TERRITORY_ASSOCIATION, record, make.changed_coverage, deleted)


def _covered_account(cast: Cast, number: int, draw: int) -> Party:
    """The labs in their turn (in place of every twelfth, which nobody covers, the first), then anybody."""
    if number % 250 == 26:
        return cast.hospitals[draw % len(cast.hospitals)]
    if number < len(cast.labs):
        return cast.labs[number if number % 12 else 0]
    return cast.professionals[draw % len(cast.professionals)]
