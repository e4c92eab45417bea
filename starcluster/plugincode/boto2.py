"""What `import boto` gives an old plugin: names, which say what is the matter when they are used.

StarCluster brought boto 2 along, which ended with Python 3.11. Many plugins import it and never use it, or in one of
their classes only. Its errors are those of node.ec2 here, so that who catches them does. Nobody but the file that
imports it sees any of this: other packages look for boto as ever.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, NoReturn

from starcluster import exception

_NAME = "boto"
_OURS = ("EC2ResponseError", "BotoServerError", "BotoClientError")
_errors: dict[str, type[exception.AWSError]] = {}


def is_absent(module: str) -> bool:
    """It is boto, or a module in it, and boto is not installed."""
    return module.partition(".")[0] == _NAME and PathFinder.find_spec(_NAME) is None


def imported(module: str, *, names: bool) -> Absent:
    """What an import statement binds: the module that `names` are taken from, else the package."""
    return Absent(module if names else _NAME)


class Absent(ModuleType):
    """A module, function or class of boto by its full name: it may be imported and handed on, and no more."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith(("Error", "Exception")):
            return _error(name)
        return Absent(f"{self.__name__}.{name}")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        self._say()

    def __iter__(self) -> NoReturn:
        self._say()

    def __getitem__(self, _: object) -> NoReturn:
        self._say()

    def __mro_entries__(self, _: object) -> NoReturn:
        self._say()

    def _say(self) -> NoReturn:
        raise ImportError(
            f"there is no {self.__name__}: boto ended in 2018, and Python 3.12 can not import it. docs/plugin-api.md"
            " tells what node.ec2 has of it; for the rest write that line with boto3",
            name=self.__name__,
        )


def _error(name: str) -> type[exception.AWSError]:
    """A class to catch: what node.ec2 raises, or one that nobody raises."""
    if name in _OURS:
        return exception.AWSError
    return _errors.setdefault(name, type(name, (exception.AWSError,), {}))
