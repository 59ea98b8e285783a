"""All of moto's state as one pickle, and back.

`snapshot-<n>.pickle` holds the state before the first record of `journal-<n>.log`.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from local.aws import blobs

State = dict[str, dict[str, dict[str, Any]]]


def install() -> None:
    """Let moto's store of object versions be pickled whole: by itself it hands pickle the newest version only."""
    from moto.s3.utils import _VersionedKeyStore

    def reduce(store: Any) -> tuple[Any, ...]:
        return _key_store, (dict(store.lists()),)

    _VersionedKeyStore.__reduce__ = reduce  # type: ignore[method-assign]


def _key_store(versions: dict[str, list[Any]]) -> Any:
    from moto.s3.utils import _VersionedKeyStore

    store = _VersionedKeyStore()
    for key, found in versions.items():
        store.setlist(key, found)
    return store


def capture() -> State:
    """service → account → region → backend, of every backend that moto has made so far."""
    from moto.core.base_backend import BackendDict

    state: State = {}
    for backends in BackendDict._instances:
        accounts = {account: dict(by_region.items()) for account, by_region in backends.items()}
        state[backends.service_name] = accounts
    return state


def _bucket_owners() -> dict[str, tuple[str, str]]:
    from moto.s3.models import s3_backends

    return s3_backends.bucket_accounts


def restore(state: State, owners: dict[str, tuple[str, str]]) -> None:
    """Replace moto's state by `state`."""
    from moto.backends import get_backend
    from moto.core.base_backend import BackendDict

    BackendDict._instances.clear()
    for service, accounts in state.items():
        backends: Any = get_backend(service)  # type: ignore[call-overload]
        backends.clear()
        for account, by_region in accounts.items():
            for region, backend in by_region.items():
                backends[account][region] = backend
    _bucket_owners().clear()
    _bucket_owners().update(owners)


def reset() -> None:
    """Forget everything moto holds."""
    from moto.core.base_backend import BackendDict

    for backends in BackendDict._instances:
        backends.clear()
    BackendDict._instances.clear()
    _bucket_owners().clear()


def path_of(folder: Path, number: int) -> Path:
    """Where snapshot `number` lies."""
    return folder / f"snapshot-{number:08d}.pickle"


def latest_number(folder: Path) -> int | None:
    """The number of the newest snapshot; None if there is none."""
    numbers = [int(path.stem.split("-")[1]) for path in folder.glob("snapshot-*.pickle")]
    return max(numbers, default=None)


def write(folder: Path, number: int) -> set[str]:
    """Write the present state as snapshot `number`, whole or not at all; returns the digests of the bodies it needs."""
    target = path_of(folder, number)
    partial = target.with_suffix(".partial")
    digests = blobs.start_collecting()
    with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        pickle.dump((capture(), dict(_bucket_owners())), file, protocol=pickle.HIGHEST_PROTOCOL)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
    return digests


def load(folder: Path, number: int) -> None:
    """Make moto's state that of snapshot `number`."""
    with path_of(folder, number).open("rb") as file:
        state, owners = pickle.load(file)
    restore(state, owners)
