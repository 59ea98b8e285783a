"""The stage build: what MWAA's image is given beside the DAG files. The same sources give the same bytes.

plugins.zip       plugins/ without the command line
requirements.txt  what requirements/mwaa.in names, at the versions of requirements/mwaa.txt
constraints.txt   all versions of requirements/mwaa.txt; it lies in dags/, where MWAA's pip finds it

MWAA runs with one version of plugins.zip and of requirements.txt until it is told of others. Files in dags/ are live at
once, and read again by each worker that starts: so the constraints lie there under a name that their content gives
them, which the requirements.txt that belongs to them names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from idiscover.errors import ConfigError

PLUGINS, REQUIREMENTS, CONSTRAINTS = "plugins.zip", "requirements.txt", "constraints.txt"
RECORD = "artifacts.json"
_AIRFLOW_ON_MWAA = "/usr/local/airflow"  # MWAA unpacks the DAG folder there before it installs requirements
_HASH_LENGTH = 16
_IN_THE_IMAGE = "apache-airflow"  # installing it anew would replace MWAA's own
_NOT_SHIPPED = ("idiscover/cli/",)
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_NAMED = re.compile(r"^([A-Za-z0-9._-]+)(\[[A-Za-z0-9,._-]+\])?")


@dataclass(frozen=True)
class Artifact:
    """One file of a release."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Hex."""
        return hashlib.sha256(self.content).hexdigest()


def build(root: Path, out: Path, dry_run: bool = False) -> Iterator[str]:
    """Writes the artifacts and their record (name → sha256) to `out`; yields one line per file.

    Args:
        root: the repository.
        out: a folder; it is made.
        dry_run: say what would be written, and write nothing.

    Raises:
        ConfigError: `root` is not the repository, or a requirement has no version.
    """
    artifacts = make_artifacts(root)
    record = json.dumps({artifact.name: artifact.sha256 for artifact in artifacts}, indent=2, sort_keys=True)
    for artifact in [*artifacts, Artifact(RECORD, f"{record}\n".encode())]:
        target = out / artifact.name
        stands = target.is_file() and target.read_bytes() == artifact.content
        if not stands and not dry_run:
            out.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            partial.write_bytes(artifact.content)
            partial.replace(target)
        done = "unchanged" if stands else "would be written" if dry_run else "written"
        yield f"{target}: {len(artifact.content):,} bytes, sha256 {artifact.sha256[:12]}…, {done}"


def make_artifacts(root: Path) -> tuple[Artifact, ...]:
    """The three files, from the repository at `root`."""
    from emr_jobs.package import reproducible_zip

    try:
        named = (root / "requirements" / "mwaa.in").read_text(encoding="utf-8")
        pinned = (root / "requirements" / "mwaa.txt").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            "this is not the repository",
            where=str(root),
            got=f"no {error.filename}",
            expected="plugins/ and requirements/ in it",
            remedy="run it in the repository, or name it: --root",
        ) from error
    versions = dict(_PINNED.findall(pinned))
    lines = "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))
    constraints = Artifact(CONSTRAINTS, lines.encode())
    return (
        Artifact(PLUGINS, reproducible_zip(_plugins(root / "plugins"))),
        Artifact(REQUIREMENTS, _requirements(named, versions, constraints).encode()),
        constraints,
    )


def key_of(artifact: Artifact) -> str:
    """Where an artifact lies in the DAG bucket."""
    if artifact.name == CONSTRAINTS:
        return f"dags/constraints-{artifact.sha256[:_HASH_LENGTH]}.txt"
    return artifact.name


def read_artifacts(folder: Path) -> tuple[Artifact, ...]:
    """The artifacts that a build left in `folder`.

    Raises:
        ConfigError: one is missing, or is not what the build's record says.
    """
    remedy = "run idiscover deploy build"
    try:
        record: dict[str, str] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = tuple(Artifact(name, (folder / name).read_bytes()) for name in sorted(record))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no build here", where=str(folder), got=f"no {error.filename}", remedy=remedy
        ) from error
    for artifact in found:
        if artifact.sha256 != record[artifact.name]:
            raise ConfigError(
                "an artifact is not the one that was built",
                where=str(folder / artifact.name),
                got=f"sha256 {artifact.sha256}",
                expected=record[artifact.name],
                remedy=remedy,
            )
    return found


def _plugins(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name in the zip and place of every file of `plugins/` that MWAA needs."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix != ".pyc" and not name.startswith(_NOT_SHIPPED):
            yield name, path


def _requirements(named: str, versions: dict[str, str], constraints: Artifact) -> str:
    lines = [f'--constraint "{_AIRFLOW_ON_MWAA}/{key_of(constraints)}"']
    for line in named.splitlines():
        match = _NAMED.match(line.strip())
        if match is None or match[1] == _IN_THE_IMAGE:
            continue
        if match[1] not in versions:
            raise ConfigError(
                "a requirement has no version",
                where="requirements/mwaa.txt",
                key=match[1],
                expected="one line name==version for each name of requirements/mwaa.in",
                remedy="compile requirements/mwaa.txt anew",
            )
        lines.append(f"{match[1]}{match[2] or ''}=={versions[match[1]]}")
    return "".join(f"{line}\n" for line in lines)
