"""What the program asked of AWS while the tests ran, held against starcluster/permissions.py.

Each rehearsal hands in its cloud's log when it ends. What the table lacks is an error in any run; what it has and
nothing asked for is one when all tests have run: `scripts/test --long`, without a path or a choice.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from starcluster.permissions import NEEDS, OWN_TAG, Need, Only

FOLDER = "TESTS_CALLS_SEEN"
OURS = "starcluster-spot/"
KINDS = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "sg": "security-group",
    "sir": "spot-instances-request",
    "lt": "launch-template",
    "pg": "placement-group",
    "ami": "image",
    "subnet": "subnet",
    "vpc": "vpc",
}
# what only AWS itself has an answer to: no local cloud is asked for it
ONLY_ON_AWS = {
    "pricing:GetProducts": "AWS's price list; the local cloud's prices come without it",
    "sts:DecodeAuthorizationMessage": "only AWS encodes why it denied something",
}

# what IAM calls S3's own operations
IAM_NAMES = {"s3:ListBuckets": "s3:ListAllMyBuckets", "s3:ListObjectsV2": "s3:ListBucket"}

# made only by calls that ask for spot instances, which the log does not tell: tests/unit/aws/test_forms.py does
_SOMETIMES = {"spot-instances-request"}

# pytest's options that leave tests out, beside markers
_CHOICES = ("keyword", "deselect", "ignore", "ignore_glob", "lf", "stepwise", "collectonly")

Seen = dict[str, dict[str, Any]]


def reduced(lines: Iterable[str]) -> Seen:
    """Action -> the kinds of resources that its calls named, and the kinds that they tagged and tagged as ours."""
    found: Seen = {}
    for line in lines:
        entry = json.loads(line)
        if entry["kind"] != "call" or not entry.get("client", "").startswith(OURS):
            continue
        action = f"{entry['service']}:{entry['action']}"
        action = IAM_NAMES.get(action, action)
        seen = found.setdefault(action, {"named": [], "untagged": []})
        named = {kind for word in entry["ids"] if (kind := KINDS.get(word.rpartition("-")[0]))}
        seen["named"] = sorted({*seen["named"], *named})
        tags: Mapping[str, list[str]] = entry.get("tags", {})
        untagged = {kind for kind, keys in tags.items() if OWN_TAG not in keys}
        untagged |= _must_be_tagged(action) - set(tags) - _SOMETIMES
        seen["untagged"] = sorted({*seen["untagged"], *untagged})
    return found


def _must_be_tagged(action: str) -> set[str]:
    return {
        kind for need in NEEDS if need.action == action for on in need.on if on.only is Only.TAGGED for kind in on.kinds
    }


def hand_in(log: Path) -> None:
    """Reduce a cloud's log into the run's folder, if there is a run that wants it."""
    folder = os.environ.get(FOLDER)
    if folder and log.exists():
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()
        Path(folder, uuid.uuid4().hex).write_text(json.dumps(reduced(text)))


def gathered(folder: Path) -> Seen:
    """All that was handed in."""
    whole: Seen = {}
    for path in folder.iterdir():
        for action, seen in json.loads(path.read_text()).items():
            known = whole.setdefault(action, {"named": [], "untagged": []})
            for key, kinds in seen.items():
                known[key] = sorted({*known[key], *kinds})
    return whole


def is_whole(options: Mapping[str, Any]) -> bool:
    """Whether pytest's options let every test run that can run without AWS, if no path was named."""
    return options.get("markexpr") == "not live" and not any(options.get(name) for name in _CHOICES)


def faults(seen: Seen, needs: Iterable[Need] = NEEDS, *, whole: bool) -> list[str]:
    """How calls and table differ, one sentence each."""
    table = {need.action: need for need in needs}
    told = [f"{action} was asked for and is not in permissions.py" for action in sorted(set(seen) - set(table))]
    for action in sorted(set(seen) & set(table)):
        allowed = {kind for on in table[action].on for kind in on.kinds}
        named = set(seen[action]["named"])
        if "*" not in allowed and named - allowed:
            told.append(f"{action} named {', '.join(sorted(named - allowed))}, which permissions.py does not list")
        if seen[action]["untagged"]:
            told.append(f"{action} made {', '.join(seen[action]['untagged'])} without the tag {OWN_TAG}")
    if whole:
        unused = {need.action for need in table.values() if need.by_us} - set(seen) - set(ONLY_ON_AWS)
        told += [f"{action} is in permissions.py, and no test asked for it" for action in sorted(unused)]
    return told
