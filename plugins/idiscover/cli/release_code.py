"""The PySpark code of a release: what is uploaded under `script/<sha>/`, and the sha itself."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

_FILES = {
    "extract.py": "emr_jobs/extract.py",
    "bootstrap.sh": "emr_jobs/bootstrap.sh",
    "requirements.txt": "requirements/emr.txt",
}
_LIBRARY = "idiscover.zip"
_SHA_LENGTH = 40


def script_files(root: Path) -> dict[str, bytes]:
    """File name → content of everything under `script/<sha>/`; the same sources give the same bytes."""
    from emr_jobs.package import build_zip

    files = {name: (root / path).read_bytes() for name, path in _FILES.items()}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / _LIBRARY
        build_zip(target, root)
        files[_LIBRARY] = target.read_bytes()
    return files


def code_sha(root: Path) -> str:
    """Names the code by its content, so that a folder under `script/` never changes; 40 hex digits."""
    digest = hashlib.sha256()
    for name, content in sorted(script_files(root).items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_SHA_LENGTH]
