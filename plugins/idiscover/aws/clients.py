"""How every boto3 client of ours behaves; addresses come from the environment (AWS_ENDPOINT_URL) alone."""

from __future__ import annotations

from botocore.config import Config

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6},
    connect_timeout=10,
    read_timeout=60,
    s3={"addressing_style": "path"},
)
