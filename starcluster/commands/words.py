"""How the words of a command line are read, as optparse read them for StarCluster."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

NEWER = frozenset(("--cloud", "--csv", "--fallback", "--helper", "--kms-key", "--snapshot", "--throughput", "--type"))
"""Options that StarCluster's verbs did not have, and that begin like one of theirs: a prefix that was unique in
StarCluster goes on meaning that one."""

_OWN = "starcluster.own"  # where the context of the verb is kept
_DASHES = "‐‑‒–—―−"  # noqa: RUF001  hyphens, dashes and the minus of mathematics
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?")


class Unread(click.Argument):
    """Words behind a verb that takes none, which StarCluster passed over: scripts have such."""

    def __init__(self, names: Sequence[str], **settings: Any) -> None:
        super().__init__(names, nargs=-1, expose_value=False, callback=_tell_unread, **settings)

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        return []


def _tell_unread(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> None:
    if words:
        from starcluster.logger import log

        told = "%s takes no words: '%s' is not read"
        log.warning(told, ctx.info_name, " ".join(words), extra={"__stderr__": True})


passes_over_words = click.argument("unread", cls=Unread)


class Words(click.Group):
    """A group whose verbs take unique prefixes of long options, and `VERB help`; alone it shows its help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit(1)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """What a verb finds wrong with its words is told with its usage, as what click finds."""
        from starcluster import exception

        try:
            return super().invoke(ctx)
        except exception.UsageError as error:
            if _OWN in ctx.meta and not isinstance(error, exception.WishError):
                error.usage = error.usage or ctx.meta[_OWN].get_usage()
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is None:
            return name, command, rest
        if ctx.resilient_parsing:  # a shell asks for words: what stands so far need not be a whole line
            from starcluster.commands import completing

            completing.attach(f"{ctx.info_name} {name}" if ctx.parent else name or "", command)
            ctx.meta[completing.WORDS] = rest
            return name, command, whole_options(command, rest)
        if rest == ["help"]:
            rest = ["--help"]
        own = ctx.meta[_OWN] = click.Context(command, info_name=name, parent=ctx)  # whose usage is shown
        if not isinstance(command, click.Group):
            refuse_negative(command, rest, own)
        try:
            return name, command, whole_options(command, rest)
        except click.UsageError as error:
            error.ctx = own
            raise


def whole_options(command: click.Command, words: list[str], *, until_verb: bool = False) -> list[str]:
    """The words with unique prefixes of long options made whole; what stands after `--` is left alone.

    `until_verb`: so is what stands after the first word that is no option.
    """
    names = {name: option for option in options(command) for name in (*option.opts, *option.secondary_opts)}
    done: list[str] = []
    left = list(words)
    while left and left[0] != "--" and not (until_verb and not left[0].startswith("-")):
        word = left.pop(0)
        if word.startswith("--"):
            word = _whole(word, [name for name in [*names, "--help"] if name.startswith("--")])
        done.append(word)
        if left and _takes_next(word, names):
            done.append(left.pop(0))
    return done + left


def refuse_negative(command: click.Command, words: list[str], ctx: click.Context) -> None:
    """UsageError for a negative number as an argument, which click would take for an unknown option."""
    if any(param.name == "words" for param in command.params):
        return
    names = {name: option for option in options(command) for name in option.opts}
    before = ""
    for word in words:
        if word == "--":
            return
        if _NEGATIVE.fullmatch(word) and not _takes_next(before, names):
            raise click.UsageError(f"{word} is not in the range: no argument can be negative", ctx)
        before = word


def strange_dashes(words: Sequence[str]) -> list[str]:
    """What to do where an option was copied from a page that made another sign of its dash."""
    strange = [word for word in words if len(word) > 1 and word[0] in _DASHES]
    return [f"'{strange[0]}' begins with a dash that is not the minus sign: type it anew"] if strange else []


def check_copy(sources: Sequence[str], target: str | None) -> None:
    """MissingParameter for what really is: where one word stands alone click takes it for the target."""
    if sources:
        return
    missing = "sources" if target is None else "target"
    ctx = click.get_current_context()
    raise click.MissingParameter(ctx=ctx, param=next(one for one in ctx.command.params if one.name == missing))


def options(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def _whole(word: str, names: list[str]) -> str:
    start, equals, value = word.partition("=")
    fitting = [name for name in names if name.startswith(start)]
    if start in fitting or not fitting:
        return word
    if len(fitting) > 1 and len(old := [name for name in fitting if name not in NEWER]) == 1:
        fitting = old
    if len(fitting) > 1:
        raise click.UsageError(f"ambiguous option: {start} could be {', '.join(sorted(fitting))}")
    return fitting[0] + equals + value


def _takes_next(word: str, names: dict[str, click.Option]) -> bool:
    """Whether the next word is this option's value, whatever it looks like."""
    if word.startswith("--"):
        option = names.get(word)
        return option is not None and not option.is_flag and not option.count
    if len(word) < 2 or word[0] != "-":
        return False
    # -abc: flags, until one takes a value, which is the rest of the word or, if that is empty, the next
    for place, letter in enumerate(word[1:], start=1):
        option = names.get("-" + letter)
        if option is not None and not option.is_flag and not option.count:
            return place == len(word) - 1
    return False
