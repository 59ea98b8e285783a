"""Holds data sources to Tableau's published schema of workbooks, of which they are a part."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from idiscover.errors import ConfigError, DataQualityError

_XSD = "http://www.w3.org/2001/XMLSchema"
_XML = "http://www.w3.org/XML/1998/namespace"
_USER = "http://www.tableausoftware.com/xml/user"
_DATA_SOURCE = "DataSource-CT"  # the type of <datasource> inside a workbook

# Tableau's schema imports two namespaces without saying where their schemas are: what it uses of them, loosely.
_IMPORTED = {
    _XML: f'<xs:schema xmlns:xs="{_XSD}" targetNamespace="{_XML}"><xs:attribute name="base" type="xs:anyURI"/>'
    '<xs:attribute name="lang" type="xs:language"/><xs:attribute name="space" type="xs:NCName"/></xs:schema>',
    _USER: f'<xs:schema xmlns:xs="{_XSD}" targetNamespace="{_USER}"><xs:attributeGroup name="UserAttributes-AG">'
    f'<xs:anyAttribute namespace="{_USER}" processContents="skip"/></xs:attributeGroup></xs:schema>',
}
_REMEDY = "name the schema of workbooks that Tableau publishes, such as twb_2026.1.0.xsd"


def check_against_schema(data_sources: Mapping[str, str], schema: Path) -> None:
    """Compares texts of data sources with the schema.

    Args:
        data_sources: file name → text.
        schema: Tableau's XSD of workbooks.

    Raises:
        ConfigError: lxml is not installed, or the file is no such schema.
        DataQualityError: a data source is not valid; it names each fault with its line.
    """
    try:
        from lxml import etree
    except ImportError as error:
        remedy = "pip install lxml, in the version of requirements/airflow.txt"
        raise ConfigError("a schema cannot be read without lxml", got=str(error), remedy=remedy) from error
    validator = _validator(schema, etree)
    faults = []
    for name, text in data_sources.items():
        if not validator.validate(etree.fromstring(text.encode("utf-8"))):
            faults += [f"{name}:{fault.line}: {fault.message}" for fault in validator.error_log]
    if faults:
        got = "\n".join(faults)
        raise DataQualityError("a data source is not valid by Tableau's schema", where=str(schema), got=got)


def _validator(schema: Path, etree):  # type: ignore[no-untyped-def]  # lxml has no types
    """lxml's validator of one <datasource>."""
    try:
        tree = etree.parse(str(schema))
        with tempfile.TemporaryDirectory(prefix="idiscover-") as folder:
            for number, item in enumerate(tree.getroot().findall(f"{{{_XSD}}}import")):
                place = Path(folder) / f"{number}.xsd"
                place.write_text(_IMPORTED[item.get("namespace")], encoding="utf-8")
                item.set("schemaLocation", place.as_uri())
            etree.SubElement(tree.getroot(), f"{{{_XSD}}}element", name="datasource", type=_DATA_SOURCE)
            return etree.XMLSchema(tree)
    except (OSError, KeyError, etree.LxmlError) as error:
        raise ConfigError("this is not Tableau's schema", where=str(schema), got=str(error), remedy=_REMEDY) from error
