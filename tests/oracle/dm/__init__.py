"""dm as docs/marts.md defines it, from itg's rows."""

from datetime import date

from tests.oracle.dm.accounts import dim_hcp, dim_lab
from tests.oracle.dm.bridges import bridge_lab_hcp, bridge_objective_hcp
from tests.oracle.dm.calendar import dim_date
from tests.oracle.dm.common import FactKeys
from tests.oracle.dm.countries import dim_country
from tests.oracle.dm.data_freshness import dm_data_freshness
from tests.oracle.dm.dimensions import dim_biomarker, dim_therapeutic_area, dim_user
from tests.oracle.dm.facts import fact_interaction, fact_lab_capability, fact_test_offering, fact_testing_volume
from tests.oracle.dm.field_coverage import dm_field_coverage
from tests.oracle.dm.lab_360 import dm_lab_360
from tests.oracle.dm.lab_hcp_network import dm_lab_hcp_network
from tests.oracle.dm.objective_attainment import dm_objective_attainment
from tests.oracle.dm.objectives import fact_lab_objective
from tests.oracle.dm.source_tables import fact_source_table
from tests.oracle.dm.territories import bridge_lab_territory, dim_territory
from tests.oracle.dm.testing_uptake import dm_testing_uptake
from tests.oracle.shapes import Tables


def compute_dm(itg: Tables, as_of_date: date) -> Tables:
    """All dm tables, as a refresh of them all at `as_of_date` leaves them."""
    dm = {**_dimensions(itg, as_of_date), **_facts(itg)}
    dm["dm.dm_testing_uptake"] = dm_testing_uptake(dm)
    dm["dm.dm_lab_hcp_network"] = dm_lab_hcp_network(dm, as_of_date)
    dm["dm.dm_lab_360"] = dm_lab_360(dm, as_of_date)
    dm["dm.dm_objective_attainment"] = dm_objective_attainment(dm, as_of_date)
    dm["dm.dm_field_coverage"] = dm_field_coverage(dm, as_of_date)
    dm["dm.dm_data_freshness"] = dm_data_freshness(dm, as_of_date)
    return dm


def _dimensions(itg: Tables, as_of_date: date) -> Tables:
    return {
        "dm.dim_date": dim_date(as_of_date),
        "dm.dim_country": dim_country(itg),
        "dm.dim_therapeutic_area": dim_therapeutic_area(itg),
        "dm.dim_biomarker": dim_biomarker(itg),
        "dm.dim_lab": dim_lab(itg),
        "dm.dim_hcp": dim_hcp(itg),
        "dm.dim_user": dim_user(itg),
        "dm.dim_territory": dim_territory(itg),
    }


def _facts(itg: Tables) -> Tables:
    """Facts and bridges."""
    keys = FactKeys(itg)
    return {
        "dm.bridge_lab_hcp": bridge_lab_hcp(itg, keys),
        "dm.bridge_objective_hcp": bridge_objective_hcp(itg),
        "dm.bridge_lab_territory": bridge_lab_territory(itg, keys),
        "dm.fact_testing_volume": fact_testing_volume(itg, keys),
        "dm.fact_lab_capability": fact_lab_capability(itg, keys),
        "dm.fact_test_offering": fact_test_offering(itg, keys),
        "dm.fact_interaction": fact_interaction(itg, keys),
        "dm.fact_lab_objective": fact_lab_objective(itg, keys),
        "dm.fact_source_table": fact_source_table(itg),
    }
