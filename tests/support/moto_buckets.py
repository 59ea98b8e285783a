"""The buckets of moto within this process: looked at, and put back as they were, without a request for each object."""

from __future__ import annotations

import copy
from collections.abc import Mapping

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

# moto would read its table of addresses anew with each request, in case the environment has changed: it does not.
del S3Backend._url_module


def stored_buckets() -> dict[str, FakeBucket]:
    """The buckets as moto has them in memory."""
    buckets: dict[str, FakeBucket] = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
    return buckets


def store(buckets: Mapping[str, FakeBucket]) -> None:
    """Puts copies of these buckets in the place of those there are; versions of objects are never changed."""
    copies = {name: copy.copy(bucket) for name, bucket in buckets.items()}
    for name, bucket in copies.items():
        bucket.keys = type(bucket.keys)()
        for key, versions in buckets[name].keys.lists():
            bucket.keys.setlist(key, list(versions))
    stored_buckets().clear()
    stored_buckets().update(copies)
    s3_backends.bucket_accounts.clear()
    s3_backends.bucket_accounts.update({name: (item.partition, item.account_id) for name, item in copies.items()})


def let_go() -> None:
    """Takes all buckets out of moto's sight: its clean-up at the end of a test closes the objects that it finds."""
    store({})
    FakeKey.instances_tracked.clear()
