"""dim_country: the slices that accounts lie in."""

from collections.abc import Mapping

from tests.oracle.dm.common import UNKNOWN_NAME
from tests.oracle.itg import ELSEWHERE
from tests.oracle.shapes import Row, Tables

# ISO 3166-1, short English names, of the countries that docs/marts.md names.
NAMES: Mapping[str, str] = {
    "CN": "China",
    "DE": "Germany",
    "FR": "France",
    "GB": "United Kingdom of Great Britain and Northern Ireland",
    "JP": "Japan",
    "TH": "Thailand",
    "TR": "Türkiye",
    "US": "United States of America",
}


def dim_country(itg: Tables) -> list[Row]:
    """One row per slice of itg.account, and ZZ."""
    codes = {str(row["_country_code"]) for row in itg["itg.account"]} | {ELSEWHERE}
    return [
        {
            "country_code": ELSEWHERE,
            "iso_country_code": code,
            "country_name": NAMES.get(code, UNKNOWN_NAME),
        }
        for code in sorted(codes)
    ]
