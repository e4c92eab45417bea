"""Modules that a plugin imports and nobody has: the message says what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from starcluster import exception, pluginloader


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("import no_such_package.api\n", "named 'no_such_package'", f"{sys.executable} -m pip install no_such"),
        ("import boto.ec2\n", "No module named 'boto'", "boto3 is its successor"),
        ("from starcluster import nonesuch\n", "cannot import name 'nonesuch'", "docs/plugin-api.md tells"),
        ("from json import no_such_name\n", "cannot import name 'no_such_name'", "plugins of your own lie in"),
    ],
)
def test_the_next_step(folder: Path, text: str, told: str, hint: str) -> None:
    (folder / "wants_more.py").write_text(f"# python3\n{text}")
    with pytest.raises(exception.PluginLoadError) as caught:
        pluginloader.load("w", "wants_more.X", {})
    assert told in caught.value.msg
    assert hint in caught.value.hint
