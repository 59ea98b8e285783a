"""The zip that spark-submit ships beside the entry point: the airflow-free part of idiscover and this package."""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
# Packages and modules under plugins/ that the step imports; nothing here may import airflow or psycopg2.
_LIBRARY = (
    "idiscover/__init__.py",
    "idiscover/errors.py",
    "idiscover/metadata",
    "idiscover/plan",
    "idiscover/lake",
    "idiscover/salesforce",
    "idiscover/aws/__init__.py",
    "idiscover/aws/clients.py",
    "idiscover/aws/s3.py",
    "idiscover/aws/secrets.py",
    "idiscover/notify/__init__.py",
    "idiscover/notify/failures.py",
    "idiscover/notify/redaction.py",
)
_JOB = "emr_jobs"
_NOT_SHIPPED = frozenset({"emr_jobs/package.py"})
_DATE = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can hold
_MODE = 0o644 << 16


def build_zip(target: Path, root: Path = _ROOT) -> str:
    """Write the zip to `target`; the same sources give the same bytes. Returns their SHA-256 in hex.

    Args:
        target: file to write; its folder is made.
        root: the repository.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    content = reproducible_zip(_sources(root))
    partial = target.with_name(target.name + ".partial")
    partial.write_bytes(content)
    partial.replace(target)
    return hashlib.sha256(content).hexdigest()


def reproducible_zip(sources: Iterable[tuple[str, Path]]) -> bytes:
    """A zip of (name, file) pairs: the same names and contents give the same bytes, on any machine, at any time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in sorted(sources):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr, entry.create_system = _MODE, 3
            # Stored, not deflated: deflated bytes depend on the zlib of the machine.
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_STORED)
    return buffer.getvalue()


def _sources(root: Path) -> Iterator[tuple[str, Path]]:
    for base, parts in ((root / "plugins", _LIBRARY), (root, (_JOB,))):
        for part in parts:
            path = base / part
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                name = file.relative_to(base).as_posix()
                if name not in _NOT_SHIPPED:
                    yield name, file


if __name__ == "__main__":
    print(build_zip(Path(sys.argv[1])))
