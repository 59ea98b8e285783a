"""What stands in Tableau beside what shall stand there: versions, certification, and what no subject publishes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from idiscover.aws.tableau_publishing import reader_of, tableau_secret, wanted_of
from idiscover.aws.tableau_site import Published, TableauSite, environment_of, fingerprint_of, tableau_site
from idiscover.errors import ConfigError
from idiscover.metadata.models import Context
from idiscover.plan.tableau import SubjectPlan
from idiscover.tableau.inventory import StandingSource


def inventory(plans: Sequence[SubjectPlan], context: Context) -> list[StandingSource]:
    """Every subject and every data source of this environment, by title. Reads, and nothing else.

    Raises:
        ConfigError, FatalError, RetriableError: see `publish_subjects`.
    """
    secret = tableau_secret(context)
    wanted = {item.subject.title: item for item in wanted_of(plans, context, reader_of(secret))}
    with tableau_site(secret, context.tableau) as site:
        standing = {str(item.name): item for item in _ours(site, context, wanted)}
        warnings = {title: site.warning_of(item) for title, item in standing.items()}
    found = []
    for title in sorted({*wanted, *standing}):
        subject = wanted[title].subject.subject if title in wanted else None
        item = standing.get(title)
        if item is None:
            found.append(StandingSource(title, subject))
            continue
        version = fingerprint_of(item)
        is_current = title in wanted and version == wanted[title].fingerprint
        note = item.certification_note if item.certified else None
        updated = "" if item.updated_at is None else f"{item.updated_at:%Y-%m-%d %H:%M}"
        found.append(StandingSource(title, subject, version, is_current, updated, note, warnings[title]))
    return found


def orphans(titles: Collection[str], context: Context) -> list[str]:
    """Titles of the environment's data sources that are none of `titles`, sorted."""
    with tableau_site(tableau_secret(context), context.tableau) as site:
        return sorted(str(item.name) for item in _ours(site, context) if item.name not in titles)


def remove(doomed: Sequence[str], titles: Collection[str], context: Context) -> list[str]:
    """Removes data sources of this environment that no subject publishes; returns the titles that were there.

    Args:
        doomed: their titles.
        titles: of all subjects.
        context: of the environment.

    Raises:
        ConfigError: a subject publishes one of them.
        FatalError, RetriableError: see `tableau_site`.
    """
    if published := sorted(set(doomed) & set(titles)):
        remedy = "remove the subject's file first, and publish that"
        raise ConfigError("a subject publishes this data source", got=", ".join(published), remedy=remedy)
    with tableau_site(tableau_secret(context), context.tableau) as site:
        found = [item for item in _ours(site, context) if item.name in doomed]
        for item in found:
            site.remove(item)
    return sorted(str(item.name) for item in found)


def _ours(site: TableauSite, context: Context, titles: Collection[str] = ()) -> list[Published]:
    """What this environment has published into its project, and what has one of these titles there."""
    items = site.published(site.project_id())
    return [item for item in items if environment_of(item) == context.environment or item.name in titles]
