"""Sections of the config as programs have them: dicts whose keys are attributes too."""

from __future__ import annotations

import dataclasses
from typing import Any

from starcluster.config.schema import PluginSettings
from starcluster.utils import AttributeDict


def plain_section(value: Any) -> AttributeDict:
    """The settings, without the name of the section."""
    return AttributeDict({name: setting for name, setting in dataclasses.asdict(value).items() if name != "name"})


def plugin_section(one: PluginSettings) -> AttributeDict:
    return AttributeDict({"__name__": one.name, "setup_class": one.setup_class, **one.arguments})
