"""The verbs for every environment, one module each; importing a module adds its verb to the command line.

A module imports what its verb needs when the verb runs: `idiscover --help` reads all of them.
"""

from __future__ import annotations

import importlib
import pkgutil


def load_verbs() -> None:
    """Imports every module of this package, in the order of their names."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        importlib.import_module(f"{__name__}.{module.name}")
