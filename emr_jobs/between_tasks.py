"""What Spark does between two tasks of a Python worker, made cheap: each costs more than a small page does."""

from __future__ import annotations

import gc
import sys
from zipimport import zipimporter


def prepare_for_next_task() -> None:
    """Call at the end of each task."""
    forget_archives()
    freeze_objects()


def forget_archives() -> None:
    """Leave nothing for `importlib.invalidate_caches` to read anew.

    Spark calls it before each task, and of a zip it reads the whole directory: for pyspark's own a third of a second.
    By the end of a task, all is imported; what is still to come finds its zip again.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter):
            del sys.path_importer_cache[path]


def freeze_objects() -> None:
    """Leave little for `gc.collect` to look at.

    Spark calls it after each task, and it visits everything that was imported: a fifth of a second. What is there after
    the first task stays; only that is frozen, so that whatever later tasks leave behind is still collected.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
