"""docs/config.md names every setting with its kind and its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from starcluster.config import files
from starcluster.config.schema import ClusterTemplate, PluginSettings
from starcluster.config.sections import specs
from starcluster.config.unknown import SECTIONS

ROOT = Path(__file__).parents[3]
_ROW = re.compile(r"^\| ([A-Z0-9_]+) \| (.*?) \| (.*?) ?\| (.*) \|$", re.MULTILINE)
KINDS: dict[str, Any] = {**SECTIONS, "plugin": PluginSettings}


def rows(kind: str) -> dict[str, tuple[str, str]]:
    """Setting -> (kind, default), as the page says."""
    text = (ROOT / "docs" / "config.md").read_text()
    title = kind if kind in ("global", "aws info") else f"{kind} NAME"
    _, _, after = text.partition(f"\n## [{title}]\n")
    section = after.partition("\n## ")[0]
    assert section, f"no section about [{title}]"
    return {name: (told, default) for name, told, default, _ in _ROW.findall(section)}


def known(kind: str) -> dict[str, tuple[str, str]]:
    found = {}
    for name, spec in specs(KINDS[kind]).items():
        default = "" if spec.default in (None, ()) else str(spec.default)
        found[name.upper()] = (str(spec.metadata["kind"]), "required" if spec.metadata["required"] else default)
    return found | ({"EXTENDS": ("text", "")} if kind == "cluster" else {})


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_explained(kind: str) -> None:
    assert rows(kind) == known(kind)


def test_the_example_shows_what_a_template_can_say() -> None:
    text = files.example().read_text()
    missing = {name.upper() for name in specs(ClusterTemplate) if not re.search(rf"^#?{name} *=", text, re.M | re.I)}
    assert missing == set()


@pytest.mark.parametrize("name", ["SSH_CIDR", "SSH_PROXY", "SSH_PROXY_KEY", "SSH_STRICT"])
def test_the_example_shows_the_ways_of_ssh(name: str) -> None:
    assert re.search(rf"^#{name} *=", files.example().read_text(), re.M)
