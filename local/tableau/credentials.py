"""The personal access token of the server, made up once."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from local.stack.layout import write_secret

CREDENTIALS_FILE = "credentials.json"


def ensure_token(state_dir: Path) -> dict[str, str]:
    """`token_name`, `token_value` and `site` that stand in the state directory, or new ones, for their owner only."""
    file = state_dir / CREDENTIALS_FILE
    if not file.exists():
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = {"token_name": "idiscover", "token_value": secrets.token_urlsafe(24), "site": "laptop"}
        write_secret(file, json.dumps(token))
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return found
