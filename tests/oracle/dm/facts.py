"""Facts that are rows of itg with their keys resolved."""

from datetime import date

from tests.oracle.dm.common import (
    UNKNOWN,
    UNKNOWN_MONTH,
    FactKeys,
    date_key,
    named,
    or_unknown,
    pseudonym,
    undeleted,
)
from tests.oracle.shapes import Row, Tables


def _as_in_itg(row: Row, *columns: str) -> Row:
    return {column: row[column] for column in columns}


def fact_testing_volume(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per testing volume that is not deleted."""
    counts = ("eligible_patients", "tested_patients", "positive_patients", "median_tat_days", "data_source")
    return [
        {
            "country_code": row["_country_code"],
            "testing_volume_id": row["id"],
            "lab_id": keys.lab(row["lab_id"], row["_country_code"]),
            "biomarker_id": keys.biomarker(row["biomarker_id"]),
            "month": row["month"].replace(day=1) if isinstance(row["month"], date) else UNKNOWN_MONTH,
            **_as_in_itg(row, *counts),
        }
        for row in undeleted(itg["itg.testing_volume"])
    ]


def fact_lab_capability(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per capability that is not deleted."""
    return [
        {
            "country_code": row["_country_code"],
            "lab_capability_id": row["id"],
            "lab_id": keys.lab(row["lab_id"], row["_country_code"]),
            "technology": named(row["technology"]),
            **_as_in_itg(row, "in_house", "sample_type", "valid_from", "valid_to"),
        }
        for row in undeleted(itg["itg.lab_capability"])
    ]


def fact_test_offering(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per offering that is not deleted, with the technology of its own lab that it is done with."""
    capabilities = {row["id"]: row for row in undeleted(itg["itg.lab_capability"])}
    nothing: Row = {**dict.fromkeys(("technology", "in_house", "valid_from", "valid_to")), "id": UNKNOWN}
    rows: list[Row] = []
    for row in undeleted(itg["itg.test_offering"]):
        capability = capabilities.get(row["lab_capability_id"])
        if capability is None or not _of_same_lab(row, capability):
            capability = nothing
        rows.append(
            {
                "country_code": row["_country_code"],
                "test_offering_id": row["id"],
                "lab_id": keys.lab(row["lab_id"], row["_country_code"]),
                "biomarker_id": keys.biomarker(row["biomarker_id"]),
                "lab_capability_id": capability["id"],
                "technology": named(capability["technology"]),
                "in_house": capability["in_house"],
                "capability_valid_from": capability["valid_from"],
                "capability_valid_to": capability["valid_to"],
                "reimbursed": row["reimbursed"] is True,
                "status": named(row["status"]),
                **_as_in_itg(row, "turnaround_days", "launched_on"),
            }
        )
    return rows


def _of_same_lab(offering: Row, capability: Row) -> bool:
    return offering["lab_id"] is not None and all(
        offering[column] == capability[column] for column in ("lab_id", "_country_code")
    )


def fact_interaction(itg: Tables, keys: FactKeys) -> list[Row]:
    """One row per interaction that is not deleted."""
    return [
        {
            "country_code": row["_country_code"],
            "interaction_id": row["id"],
            "lab_id": keys.lab(row["lab_id"], row["_country_code"]),
            "therapeutic_area_id": keys.therapeutic_area(row["therapeutic_area_id"]),
            "hcp_key": pseudonym(row["hcp_id"]),
            "owner_id": or_unknown(row["owner_id"]),
            "channel": named(row["channel"]),
            "interaction_at_utc": row["interaction_at"],
            "interaction_date_key": date_key(row["interaction_at"]),
            "duration_minutes": row["duration_minutes"],
            "has_next_step": row["next_step"] is not None,
        }
        for row in undeleted(itg["itg.lab_interaction"])
    ]
