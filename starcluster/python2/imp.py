"""Of Python 2's imp: modules from a file of their own, which is Python 2 if anything says so."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__all__ = ["load_source", "new_module"]
new_module = ModuleType


def load_source(name: str, pathname: str, file: Any = None) -> ModuleType:
    from starcluster.python2.strings import run_file

    module = sys.modules.setdefault(name, ModuleType(name))
    module.__file__ = pathname
    run_file(pathname, vars(module), vars(module))
    return module
