"""Golden files: rendered text as it was last approved by a person, under `tests/golden/`.

`UPDATE_GOLDEN=1 pytest …` writes them anew; `git diff` then shows what changed.
"""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def check_golden(name: str, text: str) -> None:
    """`text` has to be what `tests/golden/<name>` holds, byte for byte."""
    check_golden_file(GOLDEN / name, text)


def check_golden_file(path: Path, text: str) -> None:
    """The same for a golden file that lies elsewhere."""
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is missing; run with UPDATE_GOLDEN=1 and read it before committing it"
    assert text == path.read_text(encoding="utf-8")
