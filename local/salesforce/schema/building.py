"""What every object of the org is built from: ids, references, names, the system's own fields."""

from local.salesforce.fields import Field, FieldType


def reference(name: str, label: str, target: str | tuple[str, ...], relationship: str, **options: bool) -> Field:
    """A reference to records of `target`; of several objects where it names more than one."""
    targets = (target,) if isinstance(target, str) else target
    return Field(name, FieldType.REFERENCE, label, 18, reference_to=targets, relationship_name=relationship, **options)


def string(name: str, label: str, length: int, **options: bool | str) -> Field:
    """A line of text."""
    return Field(name, FieldType.STRING, label, length, **options)  # type: ignore[arg-type]


def picklist(name: str, label: str, values: tuple[str, ...], length: int = 255, **options: bool) -> Field:
    """One of some values."""
    return Field(name, FieldType.PICKLIST, label, length, picklist=values, **options)


def checkbox(name: str, label: str, default: bool = False, **options: bool) -> Field:
    """A boolean, which is never null."""
    return Field(name, FieldType.BOOLEAN, label, nillable=False, default_value=default, **options)


def number(name: str, label: str, precision: int, scale: int) -> Field:
    """A number of `precision` digits, `scale` of them after the point."""
    return Field(name, FieldType.DOUBLE, label, precision=precision, scale=scale)


def day(name: str, label: str) -> Field:
    """A calendar date."""
    return Field(name, FieldType.DATE, label)


def record_name(label: str, length: int, auto_number: bool = False, updateable: bool = True) -> Field:
    """The Name of a record; people cannot change one that is a number."""
    updateable = updateable and not auto_number
    return Field(
        "Name",
        FieldType.STRING,
        label,
        length,
        nillable=False,
        name_field=True,
        auto_number=auto_number,
        updateable=updateable,
    )


def _system_time(name: str, label: str) -> Field:
    return Field(name, FieldType.DATETIME, label, nillable=False, updateable=False)


def _system_user(name: str, label: str, relationship: str) -> Field:
    return reference(name, label, "User", relationship, nillable=False, updateable=False)


ID = Field("Id", FieldType.ID, "Record ID", 18, nillable=False, updateable=False)
IS_DELETED = checkbox("IsDeleted", "Deleted", updateable=False)
OWNER_USER = reference("OwnerId", "Owner ID", "User", "Owner", nillable=False)
OWNER = reference("OwnerId", "Owner ID", ("Group", "User"), "Owner", nillable=False)
CREATED = (
    _system_time("CreatedDate", "Created Date"),
    _system_user("CreatedById", "Created By ID", "CreatedBy"),
)
MODIFIED = (
    _system_time("LastModifiedDate", "Last Modified Date"),
    _system_user("LastModifiedById", "Last Modified By ID", "LastModifiedBy"),
    _system_time("SystemModstamp", "System Modstamp"),
)
AUDIT = CREATED + MODIFIED
