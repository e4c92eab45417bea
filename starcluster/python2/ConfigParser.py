"""Python 2's ConfigParser: a key may stand twice, `;` begins a comment, readfp() reads a file."""

from __future__ import annotations

import configparser as _today
from configparser import *  # noqa: F403
from typing import Any

_AS_IT_WAS: dict[str, Any] = {"strict": False, "inline_comment_prefixes": (";",), "empty_lines_in_values": False}


class RawConfigParser(_today.RawConfigParser):
    def __init__(self, defaults: Any = None, dict_type: Any = dict, allow_no_value: bool = False) -> None:
        super().__init__(defaults, dict_type, allow_no_value, **_AS_IT_WAS)

    def readfp(self, fp: Any, filename: str | None = None) -> None:
        self.read_file(fp, filename)

    def get(self, section: str, option: str, raw: Any = False, vars: Any = None, **named: Any) -> Any:  # type: ignore[override]  # noqa: A002
        """`raw` and `vars` may be given by position."""
        return super().get(section, option, raw=raw, vars=vars, **named)

    def set(self, section: str, option: str, value: Any = None) -> None:
        super().set(section, option, value if value is None else str(value))


class SafeConfigParser(RawConfigParser):
    _DEFAULT_INTERPOLATION = _today.BasicInterpolation()


ConfigParser = SafeConfigParser
