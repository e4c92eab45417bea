"""StarCluster's dialect of INI: text to sections that remember where each setting was written.

As in StarCluster: names of settings know no case, `=` or `:`, continuation lines, sections of one name
merge and later settings win, ` #` and ` ;` begin a comment, `%(name)s` stands for another setting of the section or
of [DEFAULT]. The kind of a section is how its first word begins ([keypair X] is [key X]), its name the second word.
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
_NO_SECTION = "\n"  # [DEFAULT] is read as any other section, so that what a section says itself is known


# how the first word of a section begins -> the kind that it is
KINDS = {"key": "key", "vol": "volume", "cluster": "cluster", "plugin": "plugin", "permission": "permission"}
DEFAULTS = "DEFAULT"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: raw texts by lower-case name, the file that wrote each, and the section, where that is another.

    `filled`: the texts are final, nothing is filled in.
    """

    title: str
    raw: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    filled: bool = False

    def text(self, name: str) -> str | None:
        """A setting with `%(other)s` filled in; None when it is not written."""
        value = self.raw.get(name, self.defaults.get(name))
        return value if value is None or self.filled else self._fill(value, _MAX_DEPTH)

    def _fill(self, value: str, depth: int) -> str:
        if depth == 0 or not _REFERENCE.search(value):
            return value
        known = {**self.defaults, **self.raw}
        filled = _REFERENCE.sub(lambda found: known.get(found.group(1).lower(), found.group(0)), value)
        return filled if filled == value else self._fill(filled, depth - 1)

    def file(self, name: str = "") -> str:
        """The file that wrote the setting, or the section."""
        return self.files.get(name) or next(iter(self.files.values()), "")

    def title_of(self, name: str) -> str:
        """The section that wrote the setting: this one, or one that it EXTENDS."""
        return self.titles.get(name, self.title)


@dataclass(frozen=True, kw_only=True)
class Document:
    """`sections`: by kind and name, such as `cluster small`, however their titles are written."""

    path: str
    sections: dict[str, Section]

    def get(self, title: str) -> Section:
        """The section, an empty one when it is not written."""
        defaults = self.sections[DEFAULTS].raw if DEFAULTS in self.sections else {}
        return self.sections.get(title) or Section(title=title, files={"": self.path}, defaults=defaults)


def canonical(title: str) -> str:
    """`keypair  mine` -> `key mine`; a title of another kind keeps its words."""
    words = title.split()
    kind = next((kind for start, kind in KINDS.items() if words and words[0].startswith(start)), "")
    return " ".join([kind, *words[1:2]] if kind else words)


def read(path: str) -> Document:
    """The config and what its [global] INCLUDE names. Raises ConfigNotFound and ConfigError."""
    document = Document(path=path, sections={})
    _add(document, path, _fetch(path))
    main = document.get("global")
    file = main.file("include")  # an included one may have the setting as well
    for name in re.split(r"[,\n]", main.text("include") or ""):
        if name.strip():
            _include(document, file, expand(name.strip()))
    return document


def _include(document: Document, file: str, path: str) -> None:
    try:
        text = _fetch(path)
    except ConfigNotFound as error:
        raise ConfigError(error.msg, file=file, section="global", setting="INCLUDE", hint=error.hint) from error
    _add(document, path, text)


def is_url(path: str) -> bool:
    return path.startswith(("http://", "https://", "ftp://"))


def _fetch(path: str) -> str:
    """The text of a file or a URL."""
    try:
        if is_url(path):
            with urllib.request.urlopen(path, timeout=_URL_TIMEOUT) as answer:
                return _decoded(answer.read(), path)
        with open(path, "rb") as file:
            return _decoded(file.read(), path)
    except (FileNotFoundError, urllib.error.URLError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f": {error}"
        raise ConfigNotFound(f"config {path} not found{reason}") from error
    except IsADirectoryError as error:
        raise ConfigError("is a directory, a config file is wanted", file=path) from error
    except PermissionError as error:
        raise ConfigError("can not be read", file=path, hint=f"chmod u+r {path}") from error


def _decoded(text: bytes, path: str) -> str:
    """UTF-8, or what editors wrote before it: StarCluster took the bytes as they were."""
    if b"\0" in text:
        raise ConfigError("is not a text", file=path, hint="save it as UTF-8 text")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        decoded = text.decode("latin-1")
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


def _add(document: Document, path: str, text: str) -> None:
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=("#", ";"), default_section=_NO_SECTION)
    try:
        parser.read_string(text, source=path)
    except configparser.MissingSectionHeaderError as error:
        raise ConfigError(
            f"line {error.lineno}: {error.line.strip()!r} stands before any section",
            file=path,
            hint="a section's first line is its name in brackets, such as [global]",
        ) from error
    except configparser.ParsingError as error:
        lines = text.splitlines()
        told = "; ".join(f"line {number}: {lines[number - 1].strip()!r} is no setting" for number, _ in error.errors)
        raise ConfigError(told, file=path, hint="a setting is NAME = value") from error
    for title in parser.sections():
        _merge(document, path, title, dict(parser.items(title)))


def _merge(document: Document, path: str, title: str, settings: Mapping[str, str]) -> None:
    section = document.sections.setdefault(canonical(title), _new_section(document, path, title))
    section.raw.update({name: _without_gaps(value) for name, value in settings.items()})
    section.files.update(dict.fromkeys(settings, path))


def _new_section(document: Document, path: str, title: str) -> Section:
    """[DEFAULT] holds for all sections, also for those that come before it."""
    if title == DEFAULTS:
        return Section(title=title, files={"": path})
    defaults = document.sections.setdefault(DEFAULTS, Section(title=DEFAULTS))
    return Section(title=" ".join(title.split()), files={"": path}, defaults=defaults.raw)


def _without_gaps(value: str) -> str:
    """A value goes on behind an empty line, which is no part of it."""
    return "\n".join(line for line in value.split("\n") if line)


def environment(name: str) -> str | None:
    """A setting from the environment: NAME, else name; an empty one is none."""
    return os.environ.get(name.upper()) or os.environ.get(name.lower()) or None


def names(document: Document, kind: str) -> list[str]:
    """The names of the sections of a kind, as they are written one after another; "" for one without a name."""
    words = [title.partition(" ") for title in document.sections]
    return [name for word, _, name in words if word == kind]
