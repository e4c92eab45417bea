"""Tags as options: `-t key=value,other=value`, repeatable."""

from __future__ import annotations

from collections.abc import Iterable

import click

METAVAR = "K=V[,K=V]"


def read_tags(ctx: click.Context, param: click.Parameter, given: Iterable[str]) -> dict[str, str]:
    """Click's callback: all uses of the option in one dict; `key` or `key=` gives an empty value."""
    tags = {}
    for item in ",".join(given).split(",") if given else ():
        key, _, value = item.strip().partition("=")
        if not key:
            raise click.BadParameter(f"'{item}' has no name before '='", ctx=ctx, param=param)
        tags[key] = value
    return tags
