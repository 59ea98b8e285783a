"""The zip of the step: the same bytes for the same sources, and all that the step imports is in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from emr_jobs.package import build_zip

ROOT = Path(__file__).resolve().parents[3]
IMPORT_ALL = """
import sys
sys.path.insert(0, sys.argv[1])
import emr_jobs.step, emr_jobs.pages
import idiscover.salesforce.session as session
assert sys.argv[1] in session.__file__ and sys.argv[1] in emr_jobs.pages.__file__
loaded = {name.split(".")[0] for name in sys.modules}
print(sorted(loaded & {"airflow", "psycopg2", "local", "pyspark"}))
"""


def test_the_zip_is_reproducible(tmp_path: Path) -> None:
    digests = [build_zip(tmp_path / name / "idiscover.zip") for name in ("a", "b")]
    stored = [(tmp_path / name / "idiscover.zip").read_bytes() for name in ("a", "b")]
    assert stored[0] == stored[1]
    assert digests == [hashlib.sha256(stored[0]).hexdigest()] * 2


def test_times_and_modes_of_the_checkout_do_not_matter(tmp_path: Path) -> None:
    for folder in ("plugins/idiscover", "emr_jobs"):
        shutil.copytree(ROOT / folder, tmp_path / "clone" / folder, copy_function=shutil.copyfile)
    for file in (tmp_path / "clone").rglob("*.py"):
        os.utime(file, (0, 0))
        file.chmod(0o600)
    assert build_zip(tmp_path / "a.zip") == build_zip(tmp_path / "b.zip", tmp_path / "clone")


def test_the_zip_is_enough_and_brings_no_airflow(tmp_path: Path) -> None:
    target = tmp_path / "idiscover.zip"
    build_zip(target)
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
    assert names == sorted(names)
    assert not [name for name in names if "orchestration" in name or "__pycache__" in name]
    command = [sys.executable, "-c", IMPORT_ALL, str(target)]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
