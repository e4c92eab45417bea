"""From words to a verb, and from errors to lines and an exit code: the only printer of errors.

Exit codes: 0 done; 1 an error; 2 wrong usage; a verb may return another one (a remote command's, say).
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from starcluster import __version__
from starcluster.commands import ALIASES, COMPLETE_VARIABLE, PROGRAM, VERBS
from starcluster.commands.words import Words, strange_dashes, whole_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from starcluster.exception import BaseException as OwnError

BANNER = f"""\
starcluster-spot {__version__}, command line and plugins as StarCluster's
Named spot nodes that come back with their disk, their /home and their command
Help: starcluster help

"""
_EXAMPLES = """\b
Examples:
  starcluster createvolume --name home 50 us-east-1c
  starcluster start mycluster
  starcluster train mynode
  starcluster help start
"""

_NEAR = 0.75
_RARELY = (20_000, 20, 50)  # a tenth of a verb's start went into looking for garbage among what it had just made


class Verbs(Words):
    """All verbs of the table, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in VERBS:
            return None
        module = importlib.import_module(f"starcluster.commands.{name}")
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, whole_options(self, args, until_verb=True))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and args[0] not in ALIASES:
            raise unknown_verb(args[0])
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs without importing them all, and the global options."""
        from click.shell_completion import CompletionItem

        fitting = {name: entry.summary for name, entry in VERBS.items() if name.startswith(incomplete)}
        return [
            *(CompletionItem(name, help=summary) for name, summary in fitting.items()),
            *click.Command.shell_complete(self, ctx, incomplete),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(_title(name)) for name in VERBS)
        for topic in dict.fromkeys(entry.topic for entry in VERBS.values()):
            rows = [(_title(name).ljust(width), entry.summary) for name, entry in VERBS.items() if entry.topic == topic]
            with formatter.section(topic):
                formatter.write_dl(rows)


def _title(name: str) -> str:
    aliases = VERBS[name].aliases
    return f"{name} ({', '.join(aliases)})" if aliases else name


def unknown_verb(word: str) -> OwnError:
    """The error for a word that is no verb, with what may have been meant."""
    import difflib

    from starcluster import exception

    close = difflib.get_close_matches(word, [*VERBS, *ALIASES], 3)
    near = dict.fromkeys(ALIASES.get(one, one) for one in close)
    hint = f"did you mean: {', '.join(near)}?" if near else "`starcluster help` shows all verbs"
    return exception.CommandNotFound(f"there is no verb '{word}'", hint=hint)


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EXAMPLES,
)
@click.option("-d", "--debug", is_flag=True, help="Show debug lines too.")
@click.option("-c", "--config", metavar="FILE", help="Config file or URL  [default: ~/.starcluster/config].")
@click.option("-r", "--region", metavar="NAME", help="EC2 region, instead of the config's.")
@click.option("--cloud", metavar="CLOUD", help="aws or local, instead of the config's CLOUD.")
@click.version_option(__version__, prog_name="starcluster", message="%(version)s")
@click.pass_context
def cli(ctx: click.Context, *, debug: bool, config: str | None, region: str | None, cloud: str | None) -> int | None:
    """Clusters on EC2, or on a local cloud on this machine."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        return 1
    from starcluster.app import App, Options
    from starcluster.logger import open_debug_log

    open_debug_log(debug=debug)
    ctx.obj = App(Options(config=config, region=region, cloud=cloud, debug=debug))
    return None


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    gc.set_threshold(*_RARELY)
    if COMPLETE_VARIABLE in os.environ:
        return _complete()
    if sys.stderr.isatty():
        click.echo(BANNER, err=True, nl=False)
    words = list(sys.argv[1:] if args is None else args)
    try:
        result = cli.main(words, PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        return _wrong_usage(error, words)
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except BrokenPipeError:
        return _nobody_reads()
    except Exception as error:  # noqa: BLE001  the outermost edge: told as an error, or as a crash with a report
        return _tell(error, words)
    return result if isinstance(result, int) else 0


def _complete() -> int:
    """Tell the shell which words may stand next; one that can not be completed is no error."""
    try:
        cli.main([], PROGRAM, standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001  the user is typing: whatever it is, it is told when the line is run
        return 1
    return 0


def _wrong_usage(error: click.ClickException, words: list[str]) -> int:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
    if isinstance(error, click.NoSuchOption):
        near = [one for one in error.possibilities or () if _is_near(one, error.option_name)]
        error = click.NoSuchOption(error.option_name, possibilities=near, ctx=error.ctx)
    hints = [*strange_dashes(words), *_own_option(error), *_template_first(error), *_known_names(error)]
    _say_error("\n".join([_plainly(error.format_message()), *hints]))
    return 2


def _is_near(one: str, other: str) -> bool:
    """A slip of the fingers, or more than the option's name (--bid-price); click takes --version for --json."""
    import difflib

    return other.startswith(f"{one}-") or difflib.SequenceMatcher(None, one, other).ratio() >= _NEAR


def _plainly(message: str) -> str:
    """click's names of its types are no words for a user."""
    return message.replace("is not a valid integer range", "is not an integer").replace(
        "is not a valid float range", "is not a number"
    )


def _own_option(error: click.ClickException) -> list[str]:
    """What to do when an option was meant for a verb, or for the remote command."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return []
    if error.ctx.parent is None and not error.possibilities:
        return [f"the options of a verb stand behind it: starcluster VERB {error.option_name}"]
    if not any(param.name == "words" for param in error.ctx.command.params):
        return []
    return [f"is {error.option_name} the remote command's? Put -- before the command, or the whole of it into quotes"]


def _template_first(error: click.ClickException) -> list[str]:
    """The first versions of StarCluster took `start TEMPLATE TAG`."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or "unexpected extra argument" not in error.message or context.info_name != "start":
        return []
    first = context.params["tag"]
    return [f"is {first} the template? It is named by -c: starcluster start -c {first} TAG"]


def _known_names(error: click.ClickException) -> list[str]:
    """Which clusters or nodes there are, where one had to be named: as far as it is known in an instant."""
    if not isinstance(error, click.MissingParameter) or error.ctx is None or error.param is None:
        return []
    from starcluster.commands import completing

    completing.surely(error.ctx)
    if error.param.name == "node":
        nodes = completing.members(error.ctx, error.ctx.params.get("tag", ""))
        return [f"its nodes: {', '.join(nodes)}"] if nodes else []
    if (
        error.param.name not in ("tag", "tags")
        or ALIASES.get(error.ctx.info_name or "", error.ctx.info_name) == "start"
    ):  # that one takes a new name
        return []
    found = sorted(completing.clusters(error.ctx))
    return [f"active clusters: {', '.join(found)}"] if found else []


def _interrupted() -> int:
    _say_error("Interrupted: what was begun in the cloud may be left\n`starcluster listclusters` shows it")
    return 1


def _nobody_reads() -> int:
    """Our output went to a program that has ended (`| head`): say nothing more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def _tell(error: Exception, words: list[str]) -> int:
    from starcluster import exception
    from starcluster.logger import log

    log.debug("%s: %s", type(error).__name__, error, exc_info=error)
    if isinstance(error, exception.ConfigNotFound):
        _say_error(error.explain())
        from starcluster.commands.firstconfig import offer_config

        offer_config()
        return error.exit_code
    if isinstance(error, exception.UsageError) and error.usage:
        click.echo(error.usage, err=True)
    if isinstance(error, exception.BaseException):
        _say_error(error.explain())
        return error.exit_code
    from starcluster.commands.crash import write_report

    _say_error(f"{type(error).__name__}: {error}\nthis is a fault of starcluster: {write_report(error, words)}")
    return 1


def _say_error(text: str) -> None:
    from starcluster.logger import log

    log.error("%s", text)
