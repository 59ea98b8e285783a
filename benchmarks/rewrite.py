"""What a core makes of a result page: rewritten value by value, and by blocks; packed by zlib, and by isal.

    .venv/airflow/bin/python -m benchmarks.rewrite --rows 200000

Processor seconds, each taken `--times` over, the least of them told. The limit beside them is what any reader
does at least: look at every byte once (SHA-256), and know that it is UTF-8.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from idiscover.lake.suppression import SECRET_KEY, erased_by, redacting
from idiscover.metadata.models import TEXT_TYPES, FieldType
from idiscover.plan.model import ColumnPlan
from isal import isal_zlib

from emr_jobs.contract import Contract
from emr_jobs.csv_rewriter import CsvRewriter
from emr_jobs.erased_blocks import ErasedInBlocks
from tests.unit.emr_jobs.fakes import ByValues

CHUNK_BYTES = 64 * 1024
WIDTH = 25
NAMES = [f"Field_{number}__c" for number in range(WIDTH)]
CONSTANTS = (("_read_at_utc", "2026-01-05 02:00:07.000000"), ("_batch_id", "account-20260105-9e76d6d69751"))
GZIP = zlib.MAX_WBITS | 16


class Packer(Protocol):
    """A compressor of zlib's kind."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def main(argv: Sequence[str] | None = None) -> None:
    """Print MB/s and rows/s of each way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewrite", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args(argv)
    page = a_page(arguments.rows, random.Random(1))
    written = b"".join(_rewriter().rewrite(_chunks(page)))
    assert written == b"".join(_by_values().rewrite(_chunks(page)))
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "rewritten value by value": (len(page), lambda: _drain(_by_values().rewrite(_chunks(page)))),
        "rewritten by blocks": (len(page), lambda: _drain(_rewriter().rewrite(_chunks(page)))),
        "by blocks, texts trimmed": (len(page), lambda: _drain(_trimming().rewrite(_chunks(page)))),
        "by blocks, somebody erased": (len(page), lambda: _drain(_guarded().rewrite(_chunks(page)))),
        "limit: SHA-256 and UTF-8": (len(page), lambda: (hashlib.sha256(page).digest(), page.decode())),
        "packed by zlib, level 1": (len(written), lambda: _pack(written, zlib.compressobj(1, zlib.DEFLATED, GZIP))),
        "packed by isal, level 1": (
            len(written),
            lambda: _pack(written, isal_zlib.compressobj(1, isal_zlib.DEFLATED, GZIP)),
        ),
    }
    seconds = {name: min(_seconds(way) for _ in range(arguments.times)) for name, (_, way) in ways.items()}
    print(f"{arguments.rows} rows of {WIDTH} values, {len(page) / 1e6:.1f} MB, on one core:")
    for name, (size, _) in ways.items():
        of = f"{size / 1e6 / seconds[name]:6.0f} MB/s  {arguments.rows / seconds[name]:12,.0f} rows/s"
        print(f"  {name:26} {of}{_packed_to(ways[name][1], size) if name.startswith('packed') else ''}")


def _packed_to(pack: Callable[[], object], size: int) -> str:
    return f", to {int(str(pack())) / size:.1%}"


def a_page(rows: int, rng: random.Random) -> bytes:
    """A result page with the kinds of values that iConnect's objects have."""
    makers: Sequence[Callable[[int], str]] = (
        lambda number: f"a0X{number:015d}",
        lambda _: rng.choice(("true", "false")),
        lambda number: f"2026-01-05T10:{number % 60:02d}:00.000Z",
        lambda _: "",
        lambda number: f"Zürich, Labor {number}",
        lambda _: f"{rng.uniform(0, 1000):.2f}",
        lambda _: 'says ""yes"",\nand more',
        lambda _: rng.choice(("DE", "FR", "TH")),
        lambda _: "検査室",
        lambda number: f"2026-01-{number % 28 + 1:02d}",
    )
    lines = [",".join(f'"{name}"' for name in NAMES)]
    lines += [",".join(f'"{makers[position % len(makers)](row)}"' for position in range(WIDTH)) for row in range(rows)]
    return ("\n".join(lines) + "\n").encode()


def _contract(trim: bool = False) -> Contract:
    """What the made-up values are held to, as metadata of an object would say; `trim` is said of its texts."""
    kinds: Sequence[tuple[FieldType, dict[str, int]]] = (
        (FieldType.ID, {}),
        (FieldType.BOOLEAN, {}),
        (FieldType.DATETIME, {}),
        (FieldType.REFERENCE, {}),
        (FieldType.STRING, {"length": 255}),
        (FieldType.CURRENCY, {"precision": 18, "scale": 2}),
        (FieldType.TEXTAREA, {"length": 32768}),
        (FieldType.PICKLIST, {"length": 2}),
        (FieldType.STRING, {"length": 80}),
        (FieldType.DATE, {}),
    )
    columns = []
    for position, name in enumerate(NAMES):
        kind, sizes = kinds[position % len(kinds)]
        is_trimmed = trim and kind in TEXT_TYPES
        columns.append(ColumnPlan(salesforce=name, type=kind, column=name.lower(), trim=is_trimmed, **sizes))
    return Contract(columns, required=[columns[0].column])


def _rewriter() -> CsvRewriter:
    return CsvRewriter(_contract(), CONSTANTS, where="benchmark")


def _trimming() -> CsvRewriter:
    return CsvRewriter(_contract(trim=True), CONSTANTS, where="benchmark")


def _by_values() -> CsvRewriter:
    return ByValues(_contract(), CONSTANTS, where="benchmark")


def _guarded() -> CsvRewriter:
    """One that has to know the Ids of erased records."""
    is_erased = erased_by({SECRET_KEY: "k" * 64}, {"0" * 64})
    erased = ErasedInBlocks(is_erased, 0, range(WIDTH), redacting(is_erased))
    return CsvRewriter(_contract(), CONSTANTS, where="benchmark", keeps=erased)


def _chunks(page: bytes) -> Iterator[bytes]:
    for at in range(0, len(page), CHUNK_BYTES):
        yield page[at : at + CHUNK_BYTES]


def _drain(blocks: Iterator[bytes]) -> int:
    return sum(len(block) for block in blocks)


def _pack(text: bytes, packer: Packer) -> int:
    return sum(len(packer.compress(chunk)) for chunk in _chunks(text)) + len(packer.flush())


def _seconds(way: Callable[[], object]) -> float:
    begun = time.process_time()
    way()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
