"""What a cluster tag, a node's alias, a bucket and a launch token may look like. Pure functions."""

from __future__ import annotations

import hashlib
import re

from starcluster import exception

MASTER = "master"
GROUP_PREFIX = "@sc-"
MAX_ALIAS = 31
_ALIAS = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*\Z")
_NUMBERED = re.compile(r"node\d{3}\Z", re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}\Z")


def fold(alias: str) -> str:
    """The form in which aliases are compared: host names know no case."""
    return alias.lower()


def group_name(tag: str) -> str:
    """The security group that is the cluster."""
    return GROUP_PREFIX + tag


def cluster_tag(group: str) -> str:
    """The cluster's tag from its security group's name; "" for another group."""
    return group[len(GROUP_PREFIX) :] if group.startswith(GROUP_PREFIX) else ""


def template_name(tag: str, alias: str) -> str:
    """The launch template whose tags are the record of this name."""
    return f"sc-{tag}-{fold(alias)}"


def drive_template(name: str, entry: int = 0) -> str:
    """The launch template whose tags are the record of this drive, or an entry of it; cluster tags have no slash."""
    return f"sc/drive/{fold(name)}" + (f"/{entry}" if entry else "")


def node_alias(number: int) -> str:
    return f"node{number:03d}"


def is_numbered(alias: str) -> bool:
    return bool(_NUMBERED.match(alias))


def is_master(alias: str) -> bool:
    """StarCluster's rule: `master`, or `TAG-master` where DNS_PREFIX is set."""
    return alias == MASTER or alias.endswith("-" + MASTER)


def check_tag(tag: str) -> str:
    """Return the tag, or raise UsageError with what is wrong with it."""
    if not _TAG.match(tag):
        raise exception.UsageError(
            f"'{tag}' can not be a cluster's name",
            hint="use letters, digits, '-', '.' and '_', beginning with a letter or a digit",
        )
    return tag


def check_alias(alias: str) -> str:
    """Return the alias if a user may give it to a node, or raise InvalidAlias with what is wrong with it."""
    if "_" in alias:
        raise exception.InvalidAlias(
            alias, "host names have no '_'", hint=f"try '{alias.strip('_').replace('_', '-')}'"
        )
    if not _ALIAS.match(alias):
        raise exception.InvalidAlias(alias, "it must begin with a letter and go on with letters, digits and '-'")
    if len(alias) > MAX_ALIAS:
        raise exception.InvalidAlias(alias, f"it has {len(alias)} characters, {MAX_ALIAS} is the most")
    if alias.endswith("-"):
        raise exception.InvalidAlias(alias, "it must not end in '-'")
    if is_master(fold(alias)) or is_numbered(alias):
        raise exception.InvalidAlias(alias, "'master' and 'node' + 3 digits are given by the cluster itself")
    return alias


def check_bucket(text: str) -> str:
    """The bucket of `my-bucket` or `s3://my-bucket/`, or raise ConfigSettingError."""
    name = text.strip().removeprefix("s3://").strip("/")
    if not _BUCKET.match(name):
        raise exception.ConfigSettingError(f"'{text}' is not a bucket's name", setting="BUCKET")
    return name


def launch_token(*, owner: str, alias: str, generation: int, attempt: int) -> str:
    """The ClientToken of one launch: the same words give the same token, on any machine.

    `owner`: the group's id, and of what is within it ("sg-1/lt-2"): it makes the token differ between two clusters of
    one name. At most 64 ASCII characters.
    """
    words = "/".join((owner, fold(alias), str(generation), str(attempt)))
    return "sc-" + hashlib.sha256(words.encode()).hexdigest()[:48]
