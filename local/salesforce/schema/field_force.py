"""Users, territories, and who and what belongs to a territory. None of them has an owner."""

from local.salesforce.fields import Field, FieldType, SObject
from local.salesforce.ids import make_id
from local.salesforce.schema.building import (
    AUDIT,
    ID,
    IS_DELETED,
    checkbox,
    picklist,
    record_name,
    reference,
    string,
)

USER_PREFIX = "005"
QUEUE_IDS = tuple(make_id("00G", 4_000 + 3 * i) for i in range(2))
ASSOCIATION_CAUSES = ("Territory2Manual", "Territory2AssignmentRule")
TERRITORY_ROLES = ("Medical Science Liaison", "Diagnostics Lead", "Key Account Manager")


def user_id(number: int) -> str:
    """The id of user 0, 1, …: with gaps, as ids of users have."""
    return make_id(USER_PREFIX, 90_000 + 17 * number)


# Those who made the reference data and own what nobody else does; they are users 0 to 7.
USER_IDS = tuple(user_id(number) for number in range(8))

USER = SObject(
    "User",
    "User",
    "Users",
    USER_PREFIX,
    (
        ID,
        string("Username", "Username", 80, nillable=False),
        record_name("Full Name", 121, updateable=False),
        Field("Email", FieldType.EMAIL, "Email", 128, nillable=False),
        string("Title", "Title", 80),
        string("Department", "Department", 80),
        string("Division", "Division", 80),
        reference("ManagerId", "Manager ID", "User", "Manager"),
        checkbox("IsActive", "Active"),
        *AUDIT,
    ),
)

TERRITORY = SObject(
    "Territory2",
    "Territory",
    "Territories",
    "0MI",
    (
        ID,
        IS_DELETED,
        record_name("Label", 80),
        string("DeveloperName", "Territory Name", 80, nillable=False),
        reference("ParentTerritory2Id", "Parent Territory ID", "Territory2", "ParentTerritory2"),
        string("Description", "Description", 1000),
        *AUDIT,
    ),
)

USER_TERRITORY_ASSOCIATION = SObject(
    "UserTerritory2Association",
    "User Territory Association",
    "User Territory Associations",
    "0MJ",
    (
        ID,
        reference("UserId", "User ID", "User", "User", nillable=False),
        reference("Territory2Id", "Territory ID", "Territory2", "Territory2", nillable=False),
        checkbox("IsActive", "Active"),
        picklist("RoleInTerritory2", "Role in Territory", TERRITORY_ROLES),
        *AUDIT,
    ),
    pk_chunking=False,
)

OBJECT_TERRITORY_ASSOCIATION = SObject(
    "ObjectTerritory2Association",
    "Object Territory Association",
    "Object Territory Associations",
    "0TY",
    (
        ID,
        IS_DELETED,
        reference("ObjectId", "Object ID", "Account", "Object", nillable=False),
        reference("Territory2Id", "Territory ID", "Territory2", "Territory2", nillable=False),
        picklist("AssociationCause", "Association Cause", ASSOCIATION_CAUSES, 40),
        picklist("SobjectType", "SObject Type", ("Account",), 40),
        *AUDIT,
    ),
    pk_chunking=False,
)
