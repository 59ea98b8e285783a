"""The PySpark code of a release: what is uploaded under `script/<sha>/`, and the sha itself."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from idiscover.errors import ConfigError

_FILES = {
    "extract.py": "emr_jobs/extract.py",
    "bootstrap.sh": "emr_jobs/bootstrap.sh",
    "requirements.txt": "requirements/emr.txt",
}
_LIBRARY = "idiscover.zip"
_SHA_LENGTH = 40


def script_files(root: Path) -> dict[str, bytes]:
    """File name → content of everything under `script/<sha>/`; the same sources give the same bytes.

    Args:
        root: the repository.

    Raises:
        ConfigError: it is not the repository.
    """
    from emr_jobs.package import build_zip

    try:
        files = {name: (root / path).read_bytes() for name, path in _FILES.items()}
    except FileNotFoundError as error:
        raise ConfigError(
            "the PySpark code is not here",
            where=str(root),
            got=f"no {error.filename}",
            expected="the repository",
            remedy="run it in the repository, or name it: --root",
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / _LIBRARY
        build_zip(target, root)
        files[_LIBRARY] = target.read_bytes()
    return files


def code_sha(script: Mapping[str, bytes]) -> str:
    """Names the code by its content, so that a folder under `script/` never changes; 40 hex digits.

    Args:
        script: what `script_files` made.
    """
    digest = hashlib.sha256()
    for name, content in sorted(script.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:_SHA_LENGTH]
