"""The sha names the code by its content: the same in any clone, another after any change that ships."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from idiscover.cli.release_code import code_sha, script_files

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a release is made from, in another folder and without git."""
    target = tmp_path / "another clone"
    for name in ("plugins", "emr_jobs", "requirements"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def test_the_folder_of_the_clone_does_not_matter(clone: Path) -> None:
    assert code_sha(script_files(clone)) == code_sha(script_files(ROOT))
    assert script_files(clone) == script_files(ROOT)


@pytest.mark.parametrize(
    "shipped",
    ["emr_jobs/extract.py", "emr_jobs/bootstrap.sh", "requirements/emr.txt", "plugins/idiscover/salesforce/soql.py"],
)
def test_whatever_ships_changes_the_sha(clone: Path, shipped: str) -> None:
    before = code_sha(script_files(clone))
    path = clone / shipped
    path.write_text(path.read_text() + "\n# changed\n")
    assert code_sha(script_files(clone)) != before


def test_what_does_not_ship_changes_nothing(clone: Path) -> None:
    before = code_sha(script_files(clone))
    path = clone / "plugins" / "idiscover" / "orchestration" / "builder.py"
    path.write_text(path.read_text() + "\n# changed\n")
    assert code_sha(script_files(clone)) == before


def test_the_library_has_neither_airflow_nor_database_code() -> None:
    with zipfile.ZipFile(io.BytesIO(script_files(ROOT)["idiscover.zip"])) as archive:
        names = archive.namelist()
        sources = {name: archive.read(name).decode() for name in names if name.endswith(".py")}
    assert "idiscover/salesforce/bulk.py" in names
    assert not [name for name in names if "orchestration" in name or "/cli/" in name or name.startswith("local")]
    assert not [name for name, text in sources.items() if "import airflow" in text or "import psycopg2" in text]
