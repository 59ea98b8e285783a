"""What the role of analysts may do: use schema dm and read its views, and nothing else.

Granted to a role, never to a view's readers one by one: a view that a release makes anew loses its grants, and the same
transaction gives the role's back.
"""

from __future__ import annotations

from collections.abc import Sequence

ROLE_STANDS = "select 1 from svv_roles where role_name = %s"


def create_role(role: str) -> str:
    """Redshift has no `if not exists` here: ask `ROLE_STANDS` first."""
    return f"create role {role};"


def grants(role: str, views: Sequence[str]) -> list[tuple[str, str]]:
    """Name and text of statements after which the role may read `views` and nothing else of dm.

    Args:
        role: its name.
        views: with their schema; at least one.
    """
    # from PUBLIC: Redshift gives nobody the right to run a procedure by itself, other databases do
    return [
        (f"grants {role}: none", f"revoke all on all tables in schema dm from role {role};"),
        (f"grants {role}: schema", f"grant usage on schema dm to role {role};"),
        (f"grants {role}: views", f"grant select on {', '.join(views)} to role {role};"),
        (f"grants {role}: no procedures", "revoke execute on all procedures in schema dm from public;"),
    ]
