"""Zips that Python imports from, in a worker that serves many tasks."""

from __future__ import annotations

import sys
from zipimport import zipimporter


def forget_archives() -> None:
    """Leave nothing for `importlib.invalidate_caches` to read anew.

    Spark calls it before each task, and of a zip it reads the whole directory: for pyspark's own a third of a second,
    more than a small page takes. By the end of a task, all is imported; what is still to come finds its zip again.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter):
            del sys.path_importer_cache[path]
