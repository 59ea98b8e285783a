"""Lints the SQL that sqlfluff does not see in `sql/`: what a release renders, procedures' bodies, and checks of data.

They are written to a temporary folder, and sqlfluff runs over it. What was clean is remembered by its text, so that a
second time costs nothing: `.cache/sql_rules.json`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from idiscover.errors import FatalError
from idiscover.metadata.loading import FolderReader, load_catalog, parse_context
from idiscover.plan.build import build_plans
from idiscover.plan.model import Plan, RefreshPlan
from idiscover.warehouse.checks import Written, questions, rows_sql, sample_sql
from idiscover.warehouse.release import ReleaseStatement, for_analysts, release

from local.sql_rules.bodies import lintable_body

RULES = Path(__file__).parent
CACHE = Path(".cache") / "sql_rules.json"

# Why a rule does not hold for what is rendered (RENDERED), for statements of a body (BODIES), for checks (CHECKS):
#   RF04, RF06  names come from the org, may be reserved words, and are quoted wherever metadata name them
#   LT05        a comment on a column is as long as its description, a condition of a check as its file has it
#   ID07        the dictionary of data is filled anew, whole; nothing else that is rendered here deletes
#   AL03        the list of the INSERT names what a SELECT gives it
#   AM02        Redshift has no UNION DISTINCT
#   LT02, ST09  the house breaks conditions of joins otherwise; a body is read in one block with its procedure
_HEAD = "[sqlfluff]\nexclude_rules = {rules}\n"
RENDERED = _HEAD.format(rules="RF04,RF06,LT05,ID07")
BODIES = _HEAD.format(rules="RF04,RF06,AL03,AM02,LT02,ST09") + (
    "[sqlfluff:rules:references.qualification]\nignore_words_regex = ^[pv]_\n"  # parameters and variables
)
CHECKS = _HEAD.format(rules="RF04,RF06,LT05")
RULES_OF = {"rendered/.sqlfluff": RENDERED, "bodies/.sqlfluff": BODIES, "checks/.sqlfluff": CHECKS}
COUNTRIES = ("DE", "ZZ")
ROLE = "idiscover_analyst"


def lint_rendered(root: Path) -> Iterator[str]:
    """Yields sqlfluff's findings, then how much was looked at.

    Args:
        root: the repository.

    Raises:
        FatalError: something was found.
        ConfigError: the metadata are wrong.
    """
    catalog, sql = load_catalog(FolderReader(root / "metadata")), root / "sql"
    statements = for_analysts(release(catalog, sql), catalog, sql, ROLE)
    context = parse_context((root / "context" / "local.yaml").read_text(encoding="utf-8"), "context/local.yaml")
    texts = lintable_texts(statements) | check_texts(build_plans(catalog, context, "lint"))
    known = _clean_before(root)
    surroundings = _surroundings(root)
    marks = {name: _mark(surroundings, name, text) for name, text in texts.items()}
    wanted = {name: text for name, text in texts.items() if marks[name] not in known}
    findings = _sqlfluff(root, wanted) if wanted else []
    yield from findings
    found_in = {line.split("]")[0].removeprefix("== [") for line in findings if line.startswith("== [")}
    clean = {mark for name, mark in marks.items() if name not in found_in}
    (root / CACHE).parent.mkdir(exist_ok=True)
    (root / CACHE).write_text(json.dumps(sorted(clean), indent=0), encoding="utf-8")
    if found_in:
        raise FatalError(
            "SQL is not as it has to be",
            where=", ".join(sorted(found_in)),
            remedy="a rendered statement: correct its renderer; a body: correct the procedure, the lines are its own",
        )
    known_to_be = len(texts) - len(wanted)
    yield f"rendered SQL, bodies of procedures and checks: {len(texts)} texts sound, {known_to_be} known to be"


def lintable_texts(statements: Sequence[ReleaseStatement]) -> dict[str, str]:
    """Path below the temporary folder → text."""
    texts: dict[str, str] = {}
    comments: list[str] = []
    for statement in statements:
        name = re.sub(r"[^a-z0-9_./]+", "_", statement.name.removesuffix(".sql")) + ".sql"
        if statement.name.startswith(("comment ", "comments ")):
            comments.append(statement.sql)
        elif not (statement.name.startswith(("ddl/", "procedures/"))):
            texts[f"rendered/{name}"] = statement.sql.rstrip("\n") + "\n"
        if (body := lintable_body(statement.sql)) is not None:
            texts[f"bodies/{name}"] = body
    texts["rendered/comments.sql"] = "\n".join(comments) + "\n"
    return texts


def check_texts(plans: Sequence[Plan]) -> dict[str, str]:
    """Path → what a refresh of the table asks of two countries: rows before, the questions, and keys of each check."""
    return {
        f"checks/{plan.table}.sql": ";\n\n".join(_asked(plan)) + ";\n"
        for plan in plans
        if isinstance(plan, RefreshPlan) and plan.checks
    }


def _asked(plan: RefreshPlan) -> Iterator[str]:
    found = Written(plan.table, plan.grain, COUNTRIES, date(2026, 1, 5), "a run", dict.fromkeys(COUNTRIES, 1000))
    yield rows_sql(plan.table, COUNTRIES)
    yield from (question.sql for question in questions(plan.checks, found))
    yield from (sample_sql(check, found) for check in plan.checks)


def _sqlfluff(root: Path, texts: Mapping[str, str]) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="idiscover-sql-") as temporary:
        folder = Path(temporary)
        for name, text in {**texts, **RULES_OF}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        command = [Path(sys.executable).parent / "sqlfluff", "lint", "--nocolor", "--processes", "2"]
        command += ["--disable-progress-bar", "--config", root / ".sqlfluff", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).replace(f"{folder}/", "").splitlines()
    if done.returncode not in (0, 1):
        raise FatalError("sqlfluff did not run", got=done.returncode, remedy="\n".join(lines[-5:]))
    return [line for line in lines if not line.endswith(("PASS", "All Finished!"))] if done.returncode else []


def _mark(surroundings: str, name: str, text: str) -> str:
    return sha256(f"{surroundings}\0{name.partition('/')[0]}\0{text}".encode()).hexdigest()


def _surroundings(root: Path) -> str:
    """Of what decides, beside a text, what sqlfluff says of it."""
    digest = sha256(version("sqlfluff").encode())
    for path in (root / ".sqlfluff", *sorted(RULES.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _clean_before(root: Path) -> set[str]:
    try:
        return set(json.loads((root / CACHE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()  # the first time, or somebody has had a hand in it
