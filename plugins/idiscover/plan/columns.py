"""What an extraction has to know of a field."""

from __future__ import annotations

from idiscover.metadata.models import FieldSpec
from idiscover.plan.model import ColumnPlan


def column_plan(field: FieldSpec) -> ColumnPlan:
    """Name, type and rules of a field."""
    return ColumnPlan(**{name: getattr(field, name) for name in ColumnPlan.model_fields})
