"""From a plugin file's bytes to its text, and what of a text is code."""

from __future__ import annotations

import codecs
import re

from starcluster import exception

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?:(?<!\w)(?P<prefix>[A-Za-z]{1,2}))?
        (?P<string> \"\"\"(?:\\.|[^\\])*?(?:\"\"\"|\Z) | '''(?:\\.|[^\\])*?(?:'''|\Z)
                  | "(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z) | '(?:\\.|[^'\\\n])*(?:'|(?=\n)|\Z) )""",
    re.VERBOSE | re.DOTALL,
)


def read(data: bytes, file: str) -> str:
    r"""The text, with `\n` at the ends of lines; PluginSyntaxError names file and line of what can not be read."""
    encoding = _encoding(data, file)
    if b"\0" in data:
        raise _refuse(file, data[: data.index(b"\0")], "holds a zero byte: it is no text")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _refuse(
            file,
            data[: error.start],
            f"holds a byte that is not {encoding}",
            hint="save it as UTF-8, or say its encoding in the first line: # -*- coding: latin-1 -*-",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(data: bytes, file: str) -> str:
    """By the byte order mark, else the coding line, else UTF-8."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    for number, line in enumerate(data.splitlines()[:2], 1):
        found = _COOKIE.match(line)
        if found:
            return _known(found[1].decode("ascii"), file, number)
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
    return "utf-8"


def _known(name: str, file: str, line: int) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError) as error:
        raise exception.PluginSyntaxError(
            f"{file} line {line}: nobody knows the encoding {name}",
            hint="write # -*- coding: utf-8 -*- there, and save the file so",
        ) from error
    return name


def _refuse(file: str, before: bytes, why: str, hint: str = "") -> exception.PluginSyntaxError:
    return exception.PluginSyntaxError(f"{file} line {before.count(10) + 1} {why}", hint=hint)


def tokens(text: str) -> list[tuple[str, int, int]]:
    """Comments and strings: (the string's prefix in lower case or "#", begin, end)."""
    return [
        ("#" if found["comment"] else (found["prefix"] or "").lower(), found.start(), found.end())
        for found in _TOKEN.finditer(text)
    ]


def bare(text: str) -> str:
    """The text with its strings and comments blanked; lines and columns stay."""
    parts, at = [], 0
    for _, begin, end in tokens(text):
        parts += [text[at:begin], re.sub(r"[^\n]", " ", text[begin:end])]
        at = end
    return "".join([*parts, text[at:]])


def expand_indents(text: str) -> str:
    """Tabs that indent become blanks, to every eighth column as Python 2 read them; those in strings stay."""
    inside = _lines_inside_strings(text)
    lines = text.split("\n")
    return "\n".join(line if number in inside else _expanded(line) for number, line in enumerate(lines))


def _lines_inside_strings(text: str) -> set[int]:
    """Numbers, from 0, of lines that begin within a string."""
    found: set[int] = set()
    for kind, begin, end in tokens(text):
        if kind != "#":
            first = text.count("\n", 0, begin)
            found.update(range(first + 1, first + 1 + text.count("\n", begin, end)))
    return found


def _expanded(line: str) -> str:
    code = line.lstrip(" \t")
    return line[: len(line) - len(code)].expandtabs(8) + code
