"""StarCluster's dialect of INI: text to sections that remember where each setting was written.

As in StarCluster: names of settings know no case, `=` or `:`, continuation lines, sections of one name
merge and later settings win, ` #` and ` ;` begin a comment, `%(name)s` stands for another setting.
"""

from __future__ import annotations

import configparser
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field

from starcluster.config.files import expand
from starcluster.exception import ConfigError, ConfigNotFound

_REFERENCE = re.compile(r"%\(([^()\s]+)\)s")
_MAX_DEPTH = 10
_URL_TIMEOUT = 10


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: raw texts by lower-case name, and the file that wrote each."""

    title: str
    raw: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """A setting with `%(other)s` filled in; None when it is not written."""
        value = self.raw.get(name)
        return None if value is None else self._fill(value, _MAX_DEPTH)

    def _fill(self, value: str, depth: int) -> str:
        if depth == 0 or not _REFERENCE.search(value):
            return value
        known = {**self.defaults, **self.raw}
        filled = _REFERENCE.sub(lambda found: known.get(found.group(1).lower(), found.group(0)), value)
        return filled if filled == value else self._fill(filled, depth - 1)

    def file(self, name: str = "") -> str:
        """The file that wrote the setting, or the section."""
        return self.files.get(name) or next(iter(self.files.values()), "")


@dataclass(frozen=True, kw_only=True)
class Document:
    path: str
    sections: dict[str, Section]

    def get(self, title: str) -> Section:
        """The section, an empty one when it is not written."""
        return self.sections.get(title) or Section(title=title, files={"": self.path})


def read(path: str) -> Document:
    """The config and what its [global] INCLUDE names. Raises ConfigNotFound and ConfigError."""
    document = Document(path=path, sections={})
    _add(document, path, _fetch(path))
    main = document.get("global")
    for name in re.split(r"[,\n]", main.text("include") or ""):
        if name.strip():
            _include(document, main, expand(name.strip()))
    return document


def _include(document: Document, main: Section, path: str) -> None:
    try:
        text = _fetch(path)
    except ConfigNotFound as error:
        raise ConfigError(
            error.msg, file=main.file("include"), section="global", setting="INCLUDE", hint=error.hint
        ) from error
    _add(document, path, text)


def is_url(path: str) -> bool:
    return path.startswith(("http://", "https://", "ftp://"))


def _fetch(path: str) -> str:
    """The text of a file or a URL."""
    try:
        if is_url(path):
            with urllib.request.urlopen(path, timeout=_URL_TIMEOUT) as answer:
                return str(answer.read().decode("utf-8-sig"))
        with open(path, encoding="utf-8-sig") as file:
            return file.read()
    except (FileNotFoundError, urllib.error.URLError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f": {error}"
        raise ConfigNotFound(f"config {path} not found{reason}") from error
    except IsADirectoryError as error:
        raise ConfigError("is a directory, a config file is wanted", file=path) from error
    except PermissionError as error:
        raise ConfigError("can not be read", file=path, hint=f"chmod u+r {path}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"is not UTF-8 text (byte {error.start})", file=path) from error


def _add(document: Document, path: str, text: str) -> None:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=("#", ";"))
    try:
        parser.read_string(text, source=path)
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(
            f"line {error.lineno}: {error.line.strip()!r} stands before any section",
            file=path,
            hint="a section's first line is its name in brackets, such as [global]",
        ) from error
    except configparser.ParsingError as error:
        number, line = error.errors[0]
        raise ConfigError(
            f"line {number}: {line} is no setting", file=path, hint="a setting is NAME = value"
        ) from error
    for title in parser.sections():
        _merge(document, path, title, parser)


def _merge(document: Document, path: str, title: str, parser: configparser.RawConfigParser) -> None:
    title_words = " ".join(title.split())
    section = document.sections.setdefault(
        title_words, Section(title=title_words, files={"": path}, defaults=dict(parser.defaults()))
    )
    defaults = parser.defaults()
    own = {name: value for name, value in parser.items(title) if defaults.get(name) != value}
    section.raw.update(own)
    section.files.update(dict.fromkeys(own, path))


def environment(name: str) -> str | None:
    """A setting from the environment: NAME, else name."""
    return os.environ.get(name.upper(), os.environ.get(name.lower()))
