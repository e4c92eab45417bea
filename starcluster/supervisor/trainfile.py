"""train.cfg as a file: INI read raw, one section a node; a section whose name has a space is something else.

Nothing is interpolated, a comment stands on a line of its own, and continuation lines keep their newlines.
"""

from __future__ import annotations

import configparser
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starcluster import exception
from starcluster.logger import log


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section being read; knows where it stands, for the errors."""

    file: str
    name: str
    values: Mapping[str, str]

    def wrong(self, setting: str, why: str, hint: str = "") -> exception.ConfigSettingError:
        return exception.ConfigSettingError(why, file=self.file, section=self.name, setting=setting, hint=hint)

    def warn_of_unknown(self, known: Collection[str]) -> None:
        """A warning for each setting that nobody reads, with the one that may be meant."""
        for setting in self.values:
            if setting not in known:
                near = difflib.get_close_matches(setting, known, n=1)
                more = f"; did you mean '{near[0]}'?" if near else ""
                log.warning("%s [%s] %s: unknown setting, not used%s", self.file, self.name, setting, more)

    def text(self, setting: str, default: str | None = None) -> str:
        value = self.values.get(setting, "").strip()
        if value:
            return value
        if default is None:
            raise self.wrong(setting, "is missing", hint=f"add a line '{setting} = ...' to [{self.name}]")
        return default

    def number(self, setting: str, default: float, *, least: float = 0) -> float:
        value = self.text(setting, str(default))
        try:
            number = float(value.lstrip("$"))
        except ValueError:
            raise self.wrong(setting, f"'{value}' is not a number") from None
        if not least <= number < float("inf"):
            raise self.wrong(setting, f"'{value}' is less than {least:g} or without end")
        return number

    def choice(self, setting: str, default: str, choices: Sequence[str]) -> str:
        value = self.text(setting, default).lower().replace("_", "-")
        if value not in choices:
            raise self.wrong(setting, f"'{value}' is none of: {', '.join(choices)}")
        return value

    def words(self, setting: str, default: str | None = None) -> tuple[str, ...]:
        found = tuple(word.strip() for word in re.split(r"[,\n]", self.text(setting, default)))
        return tuple(word for word in found if word)


def read_sections(file: Path) -> dict[str, dict[str, str]]:
    """Every section of the file as it stands; raises ConfigNotFound or ConfigError (file, line)."""
    parser = configparser.RawConfigParser(inline_comment_prefixes=None, strict=True)
    try:
        parser.read_string(file.read_text(encoding="utf-8"), source=str(file))
    except FileNotFoundError:
        raise exception.ConfigNotFound(
            "there is no such file", file=str(file), hint="cp train_example.cfg train.cfg and edit it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise exception.ConfigError(f"can not be read: {error}", file=str(file)) from None
    except (configparser.DuplicateSectionError, configparser.DuplicateOptionError) as error:
        setting = getattr(error, "option", "")
        raise exception.ConfigError(
            f"is given twice (line {error.lineno})", file=str(file), section=error.section, setting=setting
        ) from None
    except configparser.MissingSectionHeaderError as error:
        raise exception.ConfigError(f"line {error.lineno} stands before the first [section]", file=str(file)) from None
    except configparser.ParsingError as error:
        line = error.errors[0][0] if error.errors else "?"
        raise exception.ConfigError(
            f"line {line} is neither '[section]' nor 'setting = value'", file=str(file)
        ) from None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def node_sections(sections: Mapping[str, Mapping[str, str]]) -> list[str]:
    """The sections that are nodes: a name with a space is something else."""
    return [section for section in sections if not re.search(r"\s", section)]
