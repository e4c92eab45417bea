"""Settings and sections that mean nothing here, with what may have been meant. Pure functions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from starcluster.config import ini
from starcluster.config.schema import (
    AwsSettings,
    ClusterTemplate,
    GlobalSettings,
    KeySettings,
    PermissionSettings,
    VolumeSettings,
)
from starcluster.config.sections import specs

# the dataclass of each kind; a plugin's settings are its class's own
SECTIONS = {
    "global": GlobalSettings,
    "aws info": AwsSettings,
    "key": KeySettings,
    "volume": VolumeSettings,
    "permission": PermissionSettings,
    "cluster": ClusterTemplate,
}
_NAMED = ("key", "volume", "plugin", "cluster", "permission")
_ALONE = ("global", "aws info")
_NEAR = 0.7
_HEAD = re.compile(r"\[([^\]]+)\]")


def unknown(document: ini.Document) -> Iterator[str]:
    """One sentence for each word that StarCluster dropped without one."""
    for title, section in document.sections.items():
        kind = kind_of(title)
        yield from _swallowed(section)
        if kind in SECTIONS:
            yield from _settings(section, known(kind))
            if kind == "global" and "include" in section.raw and section.file("include") != document.path:
                yield f"{section.file('include')} [global]: INCLUDE is read in {document.path} only"
        elif kind not in _NAMED:
            yield from _section(section)
        if kind in _NAMED and len(section.title.split()) > len(title.split()):
            name = title.partition(" ")[2]
            yield f"{section.file()} [{section.title}]: its name is {name}, what follows that is not read"


def kind_of(title: str) -> str:
    """`cluster` of `cluster small`, `global`, `aws info`."""
    return title if title in _ALONE else ini.canonical(title).partition(" ")[0]


def known(kind: str) -> list[str]:
    """The settings of a kind of section."""
    return [*specs(SECTIONS[kind]), *(["extends"] if kind == "cluster" else [])]


def _settings(section: ini.Section, known: list[str]) -> Iterator[str]:
    for name in section.raw:
        if name not in known:
            yield f"{section.file(name)} [{section.title}]: unknown setting {name.upper()}{_hint(name, known)}"


def _hint(name: str, here: list[str]) -> str:
    """Where a setting of that name belongs, else one that is written alike."""
    homes = [kind for kind in SECTIONS if name in known(kind)]
    if homes:
        return f": it belongs into {' or '.join(f'[{one}]' if one in _ALONE else f'[{one} ...]' for one in homes)}"
    near = difflib.get_close_matches(name, here, 1)
    return f", did you mean {near[0].upper()}?" if near else ""


def _swallowed(section: ini.Section) -> Iterator[str]:
    """Heads of sections with white space before them, which go on with the setting above."""
    for name, text in section.raw.items():
        for line in text.split("\n")[1:]:
            head = _HEAD.fullmatch(line.strip())
            if head and kind_of(head[1]) in (*_NAMED, *_ALONE):
                yield (
                    f"{section.file(name)} [{section.title}] {name.upper()}: the line {line.strip()} begins with white"
                    " space, so it goes on with this setting: a section begins at the line's first place"
                )


def _section(section: ini.Section) -> Iterator[str]:
    """Sections of other programs may stand in the file; only what looks like one of ours is told."""
    meant = _meant(section.title)
    if meant:
        yield f"{section.file()}: unknown section [{section.title}], did you mean [{meant}]?"


def _meant(title: str) -> str:
    if near := difflib.get_close_matches(title.lower(), _ALONE, 1, _NEAR):
        return near[0]
    word, *rest = title.split() or [""]
    near = difflib.get_close_matches(word.lower(), _NAMED, 1, _NEAR)
    return " ".join([near[0], *rest[:1]]) if near else ""
