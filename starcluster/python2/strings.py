"""Python 2 in strings and files, for exec, eval, compile and execfile of converted plugins."""

from __future__ import annotations

import builtins
import functools
from typing import Any

from starcluster import exception, python2


@functools.lru_cache(maxsize=256)
def code_of(text: str, name: str, mode: str) -> Any:
    """Compiled; SyntaxError as from compile()."""
    from starcluster.plugincode.convert import convert
    from starcluster.plugincode.importing import compile_converted

    try:
        if mode == "exec":
            return compile_converted(convert(text, name), name)
        return compile(convert(text.strip(), name).text.strip(), name, mode, dont_inherit=True)
    except exception.PluginSyntaxError as error:
        raise SyntaxError(error.msg) from error


def run_file(path: str, names: dict[str, Any], local: Any) -> None:
    """A file that says of itself to be Python 3 is run as it is."""
    from starcluster.plugincode.language import Language, decide
    from starcluster.plugincode.source import read

    with open(path, "rb") as file:
        text = read(file.read(), path)
    if decide(text, importer=Language.PYTHON2).language is Language.PYTHON3:
        exec(compile(text, path, "exec", dont_inherit=True), names, local)
    else:
        exec(code_of(text, path, "exec"), furnished(names), local)


def furnished(names: dict[str, Any]) -> dict[str, Any]:
    """The names with Python 2's functions among them."""
    there = names.get("__builtins__")
    if there is None:
        names["__builtins__"] = {**vars(builtins), **python2.BUILTINS}
    elif not isinstance(there, dict) or "py2_divisor" not in there:
        for name, value in python2.BUILTINS.items():
            names.setdefault(name, value)
    return names
