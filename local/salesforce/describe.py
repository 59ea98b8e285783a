"""Describe answers, in the platform's full shape, from the field definitions."""

from collections.abc import Mapping

from local.salesforce import schema
from local.salesforce.fields import Field, FieldType, SObject

Json = dict[str, object]
_BYTES_PER_CHARACTER = 3
_SOAP_TYPES: Mapping[FieldType, str] = {
    FieldType.ID: "tns:ID",
    FieldType.REFERENCE: "tns:ID",
    FieldType.BOOLEAN: "xsd:boolean",
    FieldType.DOUBLE: "xsd:double",
    FieldType.DATE: "xsd:date",
    FieldType.DATETIME: "xsd:dateTime",
    FieldType.ADDRESS: "urn:address",
}


def describe(sobject: SObject, version: str) -> Json:
    """The whole answer of `/sobjects/X/describe` for an API version such as `59.0`."""
    whole: Json = {
        **summary(sobject, version),
        "actionOverrides": [],
        "childRelationships": _child_relationships(sobject),
        "compactLayoutable": not sobject.custom,
        "fields": [_field(item) for item in sobject.fields],
        "listviewable": None,
        "lookupLayoutable": None,
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": _record_types(sobject, version),
        "searchLayoutable": sobject.updateable,
        "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": f"All {sobject.label_plural}", "name": "everything"}],
    }
    return whole if sobject.described is None else _as_given(whole, sobject.described)


def _as_given(whole: Json, described: Mapping[str, object]) -> Json:
    """What was given of an added object's describe, and for the rest what objects have."""
    given: list[Json] = described["fields"]  # type: ignore[assignment]
    fields: list[Json] = whole["fields"]  # type: ignore[assignment]
    return {**whole, **described, "fields": [{**ours, **theirs} for ours, theirs in zip(fields, given, strict=True)]}


def summary(sobject: SObject, version: str) -> Json:
    """An object's entry in the answer of `/sobjects`."""
    base = f"/services/data/v{version}/sobjects/{sobject.name}"
    writable = sobject.updateable
    flags: Json = dict.fromkeys(
        ("createable", "deletable", "updateable", "undeletable", "triggerable", "layoutable", "mruEnabled"), writable
    )
    flags |= dict.fromkeys(("queryable", "replicateable", "retrieveable", "activateable"), True)
    flags |= dict.fromkeys(
        ("customSetting", "deepCloneable", "deprecatedAndHidden", "feedEnabled", "hasSubtypes", "isInterface"), False
    )
    flags["activateable"] = False
    return {
        **flags,
        "associateEntityType": None,
        "associateParentEntity": None,
        "custom": sobject.custom,
        "dataTranslationEnabled": None,
        "defaultImplementation": None,
        "extendedBy": None,
        "extendsInterfaces": None,
        "implementedBy": None,
        "implementsInterfaces": None,
        "isSubtype": False,
        "keyPrefix": sobject.key_prefix,
        "label": sobject.label,
        "labelPlural": sobject.label_plural,
        "mergeable": sobject.name == "Account",
        "name": sobject.name,
        "searchable": writable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
    }


def _field(field: Field) -> Json:
    return {**_identity(field), **_shape(field), **_abilities(field), **_rarely_set(field)}


def _identity(field: Field) -> Json:
    return {
        "name": field.name,
        "label": field.label,
        "type": field.type.value,
        "soapType": _SOAP_TYPES.get(field.type, "xsd:string"),
        "custom": field.custom,
        "nameField": field.name_field,
        "compoundFieldName": field.compound_field,
        "referenceTo": list(field.reference_to),
        "relationshipName": field.relationship_name,
        "picklistValues": [_picklist_value(value) for value in field.picklist],
    }


def _shape(field: Field) -> Json:
    return {
        "length": field.length,
        "byteLength": field.length * (1 if field.type in (FieldType.ID, FieldType.REFERENCE) else _BYTES_PER_CHARACTER),
        "precision": field.precision,
        "scale": field.scale,
        "digits": 0,
        "nillable": field.nillable,
        "calculated": field.calculated,
        "calculatedFormula": None if field.formula is None else f"TEXT({'.'.join(field.formula)})",
        "autoNumber": field.auto_number,
        "unique": False,
        "caseSensitive": False,
        "defaultValue": field.default_value,
        "defaultedOnCreate": field.default_value is not None or not (field.updateable or field.calculated),
        "displayLocationInDecimal": False,
        "restrictedPicklist": bool(field.picklist),
    }


def _abilities(field: Field) -> Json:
    plain = not field.is_compound
    return {
        "aggregatable": plain and field.type is not FieldType.BOOLEAN,
        "createable": field.updateable,
        "filterable": plain,
        "groupable": plain and field.type not in (FieldType.DATETIME, FieldType.DOUBLE, FieldType.MULTIPICKLIST),
        "idLookup": field.type is FieldType.ID or field.name_field,
        "permissionable": field.nillable and field.updateable,
        "sortable": plain and field.type is not FieldType.MULTIPICKLIST,
        "updateable": field.updateable,
        "searchPrefilterable": field.type is FieldType.REFERENCE,
        "namePointing": len(field.reference_to) > 1,
        "polymorphicForeignKey": len(field.reference_to) > 1,
    }


def _rarely_set(field: Field) -> Json:
    false = (
        "aiPredictionField",
        "cascadeDelete",
        "dependentPicklist",
        "deprecatedAndHidden",
        "encrypted",
        "externalId",
        "formulaTreatNullNumberAsZero",
        "highScaleNumber",
        "htmlFormatted",
        "queryByDistance",
        "restrictedDelete",
        "writeRequiresMasterRead",
    )
    none = (
        "controllerName",
        "defaultValueFormula",
        "filteredLookupInfo",
        "inlineHelpText",
        "mask",
        "maskType",
        "referenceTargetField",
        "relationshipOrder",
    )
    extra = "plaintextarea" if field.type is FieldType.TEXTAREA else None
    return {**dict.fromkeys(false, False), **dict.fromkeys(none), "extraTypeInfo": extra}


def _picklist_value(value: str) -> Json:
    return {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}


def _child_relationships(sobject: SObject) -> list[Json]:
    found: list[Json] = []
    for child in schema.every_object():
        for field in child.fields:
            if sobject.name in field.reference_to:
                plural = child.label_plural.replace(" ", "_")
                name = f"{plural}__r" if child.custom else f"Child{plural}" if child is sobject else plural
                found.append(
                    {
                        "cascadeDelete": False,
                        "childSObject": child.name,
                        "deprecatedAndHidden": False,
                        "field": field.name,
                        "junctionIdListNames": [],
                        "junctionReferenceTo": [],
                        "relationshipName": None if child.name == "RecordType" else name,
                        "restrictedDelete": False,
                    }
                )
    return found


def _record_types(sobject: SObject, version: str) -> list[Json]:
    base = f"/services/data/v{version}/sobjects/{sobject.name}/describe/layouts"
    return [
        {
            "active": True,
            "available": True,
            "defaultRecordTypeMapping": i == 0,
            "developerName": name,
            "master": False,
            "name": name,
            "recordTypeId": record_id,
            "urls": {"layout": f"{base}/{record_id}"},
        }
        for i, (name, record_id) in enumerate(sobject.record_type_ids)
    ]
