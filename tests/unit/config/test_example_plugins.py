"""config.example's sections for plugins, which are comments there: each setting is one that its plugin knows."""

from __future__ import annotations

import configparser
import re

import pytest

from starcluster import pluginloader
from starcluster.config import files

SECTION = re.compile(r"^#\[plugin (\w+)\]\n((?:^#\w+ = .*\n)+)", re.MULTILINE)


def sections() -> dict[str, str]:
    return dict(SECTION.findall(files.example().read_text()))


@pytest.mark.parametrize("name", sections())
def test_a_plugin_takes_what_the_example_gives_it(name: str) -> None:
    parser = configparser.RawConfigParser()
    parser.read_string("[it]\n" + re.sub(r"^#", "", sections()[name], flags=re.MULTILINE))
    settings = dict(parser["it"])
    assert pluginloader.load(name, settings.pop("setup_class"), settings)


def test_both_plugins_of_the_collection_are_there() -> None:
    assert {"mynodes", "bigdisk"} <= set(sections())
