"""A module of another package without the rest of that package."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


def alone(name: str) -> ModuleType:
    """Import `package.module` without running the `__init__` of its package, for one that imports far more than is used.

    The module must need nothing that this `__init__` does. The package stays as if it had not been imported: who imports
    it later gets it whole. Raises ImportError.
    """
    package = name.partition(".")[0]
    if package in sys.modules:
        return importlib.import_module(name)
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = importlib.util.module_from_spec(spec)
    try:
        return importlib.import_module(name)
    finally:
        for known in [known for known in sys.modules if known.partition(".")[0] == package]:
            del sys.modules[known]
