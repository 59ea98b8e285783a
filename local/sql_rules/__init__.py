"""Our own rules of sqlfluff, a plugin of it: the entry point in pyproject.toml names this package.

`idiscover sqllint` lints with them what sqlfluff does not see in `sql/`: what is rendered, and procedures' bodies.
"""

from __future__ import annotations

from sqlfluff.core.plugin import hookimpl
from sqlfluff.core.rules import BaseRule


@hookimpl
def get_rules() -> list[type[BaseRule]]:
    """All of them; imported when sqlfluff asks, as its manual wants it."""
    from local.sql_rules.rules import RULES

    return RULES
