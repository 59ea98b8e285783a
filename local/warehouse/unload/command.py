"""An UNLOAD carried out: the query runs in the caller's transaction, its rows go into files, the files into S3."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import tempfile
import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .. import wire
from ..errors import SqlError
from ..settling import settle
from ..upstream import Client, Connection, Result
from .files import SPOOLED_BYTES, Unloading, packer
from .statement import UnloadCommand, parse_unload

log = logging.getLogger(__name__)
PACKED_BLOCK_BYTES = 1024 * 1024


async def run_unload(sql: str, upstream: Connection, client: Client, query_id: int) -> str:
    """Carry an UNLOAD out; its command tag. Raises SqlError; the caller's transaction is then to be failed."""
    command = parse_unload(sql)
    started = time.monotonic()
    store = await asyncio.to_thread(_Store, command)
    await asyncio.to_thread(store.prepare)
    unloading = Unloading(command)
    query = await settle(command.query, upstream)
    await upstream.run(query.sql, Result(begin=unloading.begin, take=unloading.add))
    await asyncio.to_thread(store.write, unloading)
    state = {"last_unload_count": unloading.rows, "last_unload_id": query_id, "last_query_id": query_id}
    settings = ", ".join(f"set_config('rs.{name}', '{value}', false)" for name, value in state.items())
    await upstream.run(f"select {settings}")
    text = f"UNLOAD completed, {unloading.rows} record(s) unloaded successfully."
    client.write(wire.notice({"S": "INFO", "V": "INFO", "C": "00000", "M": text}))
    log.info("UNLOAD: %d rows, %d files, %.2f s", unloading.rows, len(unloading.files), time.monotonic() - started)
    return "UNLOAD"


class _Store:
    """The bucket of one UNLOAD. Its methods block: call them in threads."""

    def __init__(self, command: UnloadCommand) -> None:
        self._command = command
        self._client = boto3.client(
            "s3", region_name=command.region, config=Config(retries={"max_attempts": 4, "mode": "standard"})
        )

    def prepare(self) -> None:
        """Look what is there. Raises SqlError if something is and may stay; CLEANPATH removes it."""
        if "allowoverwrite" in self._command.flags:
            return
        try:
            keys = self._keys()
            if keys and "cleanpath" not in self._command.flags:
                raise SqlError(
                    "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, "
                    "manually removing the target files in S3, or using the ALLOWOVERWRITE option."
                )
            for key in keys:
                self._client.delete_object(Bucket=self._command.bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise _s3_error(error) from error

    def _keys(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._command.bucket, Prefix=self._command.prefix
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def write(self, unloading: Unloading) -> None:
        """Store all files, and the manifest behind them."""
        try:
            for file in unloading.files:
                self._put(file.key, file.body)
            if "manifest" in self._command.flags:
                bucket = self._command.bucket
                entries = [{"url": f"s3://{bucket}/{file.key}"} for file in unloading.files]
                text = json.dumps({"entries": entries}, indent=2).encode()
                self._client.put_object(Bucket=bucket, Key=f"{self._command.prefix}manifest", Body=text)
        except (BotoCoreError, ClientError) as error:
            raise _s3_error(error) from error

    def _put(self, key: str, body: Any) -> None:
        body.seek(0)
        if not self._command.compression:
            self._client.upload_fileobj(body, self._command.bucket, key)
            return
        with tempfile.SpooledTemporaryFile(SPOOLED_BYTES) as packed:
            with packer(self._command.compression)(packed) as target:
                shutil.copyfileobj(body, target, PACKED_BLOCK_BYTES)
            packed.seek(0)
            self._client.upload_fileobj(packed, self._command.bucket, key)


def _s3_error(error: BotoCoreError | ClientError) -> SqlError:
    if isinstance(error, ClientError):
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
        return SqlError(f"S3ServiceException:{details.get('Message')},Status {status},Error {details.get('Code')}")
    return SqlError(f"S3 cannot be written: {error}")
