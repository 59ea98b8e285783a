"""Record types, therapeutic areas, products, biomarkers."""

from local.salesforce.events import Value
from local.salesforce.generate.phrases import PRODUCTS


def new_record_type(name: str) -> dict[str, Value]:
    """A kind of account."""
    return {
        "Name": name,
        "DeveloperName": name,
        "NamespacePrefix": None,
        "Description": None,
        "SobjectType": "Account",
        "IsActive": True,
    }


def new_product(number: int, areas: list[str]) -> dict[str, Value]:
    """Product `number` of the vocabulary."""
    name, area, generic_name, group, order, launched_on, is_active = PRODUCTS[number]
    return {
        "Name": name,
        "Therapeutic_Area__c": None if area is None else areas[area],
        "Generic_Name__c": generic_name,
        "Group__c": group,
        "Order__c": order,
        "Launched_On__c": launched_on,
        "Is_Active__c": is_active,
    }


def new_biomarker(
    name: str, area_id: str | None, product_id: str | None, indication: str | None, companion: bool
) -> dict[str, Value]:
    """What a test looks for."""
    return {
        "Name": name,
        "Therapeutic_Area__c": area_id,
        "Product__c": product_id,
        "Indication__c": indication,
        "Is_Companion_Diagnostic__c": companion,
    }
