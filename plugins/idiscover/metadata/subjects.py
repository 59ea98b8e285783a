"""A subject: what analysts open in Tableau as one data source. The columns' texts are those of the table's file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from idiscover.metadata.base import VIEW_PATTERN, Model, Name, Owner, Text, unfit

Place = Literal["country", "city"]


class Hierarchy(Model):
    """Columns to drill down along, from the coarsest to the finest."""

    name: Text = Field(description="Its name for people.")
    levels: tuple[Name, ...] = Field(min_length=2, description="Columns of the view, the coarsest first.")


class Ratio(Model):
    """A rate that is right at every level: sums are divided, not rates averaged."""

    name: Name = Field(description="Name of the calculated field; no column of the view.")
    caption: Text = Field(description="Its name for people.")
    description: Text = Field(description="What it means, for analysts.")
    numerator: Name = Field(description="Measure that is summed above the line.")
    denominator: Name = Field(description="Measure that is summed below it; where the sum is 0, the rate is null.")
    format: Literal["percent", "decimal"] = Field(default="percent", description="How it is shown.")
    folder: Text | None = Field(default=None, description="Folder that it is listed in; none: at the top.")


class Geography(Model):
    """A column that names places, so that Tableau draws maps of it."""

    column: Name = Field(description="Column of the view.")
    place: Place = Field(description="`country`: two letters of ISO 3166-1; `city`: a name.")


class SubjectSpec(Model):
    """One Tableau data source over one view: `metadata/subjects/<subject>.yaml`."""

    subject: Name = Field(description="Its name; the file's name.")
    title: Text = Field(description="What the data source is called in Tableau.")
    description: Text = Field(description="One or two sentences for analysts: what it answers, and what a row is.")
    view: Annotated[str, StringConstraints(pattern=VIEW_PATTERN)] = Field(
        description="`dm.v_<table>`, of a table that has a file."
    )
    owner: Owner = Field(description="Who answers for it.")
    by_country: bool = Field(
        default=True,
        description="true: a viewer sees the rows of those countries that `dm.v_entitlement` gives to the viewer's user"
        " name in Tableau. false: everybody sees all rows.",
    )
    extract: bool = Field(
        default=False,
        description="true: Tableau keeps an extract of the view, refreshed after each load; false: it asks the"
        " warehouse.",
    )
    hierarchies: tuple[Hierarchy, ...] = Field(default=(), description="Paths to drill down along.")
    ratios: tuple[Ratio, ...] = Field(default=(), description="Rates that Tableau computes from sums.")
    geography: tuple[Geography, ...] = Field(default=(), description="Columns that name places.")

    @model_validator(mode="after")
    def _names_stand_once(self) -> SubjectSpec:
        for what, names in (
            ("hierarchies", [item.name for item in self.hierarchies]),
            ("ratios", [item.name for item in self.ratios]),
            ("geography", [item.column for item in self.geography]),
            *((f"the levels of {item.name}", list(item.levels)) for item in self.hierarchies),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise unfit(f"each name once in {what}; {', '.join(twice)} stands twice", "rename or remove one")
        return self

    @model_validator(mode="after")
    def _title_can_be_asked_for(self) -> SubjectSpec:
        if any(sign in self.title for sign in ",:"):
            raise unfit("a title without comma and colon, by which Tableau can be asked for it", "change the title")
        return self

    @property
    def table(self) -> str:
        """The table that the view shows, with its schema."""
        return self.view.replace("dm.v_", "dm.", 1)
