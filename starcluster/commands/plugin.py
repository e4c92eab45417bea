"""starcluster plugin list|show|new|port|test: the plugins there are, and those that one writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception
from starcluster.commands.listing import Form, forms, show_json, show_list
from starcluster.commands.showing import NONE, or_none
from starcluster.commands.tables import Column
from starcluster.commands.words import Words
from starcluster.logger import log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starcluster.app import App
    from starcluster.clustersetup import ClusterSetup
    from starcluster.plugincode.porting import Port

_COLUMNS = {
    "plugin": Column(head="PLUGIN", style="bold"),
    "from": Column(head="FROM", rank=3),
    "language": Column(head="LANGUAGE", rank=2),
    "about": Column(head="ABOUT", rank=1, least=20),
}
_FAILED = 1


@click.group(cls=Words)
def command() -> None:
    """Plugins: which there are, what one is, and help in writing them. docs/plugins.md tells how.

    \b
    Examples:
      starcluster plugin list
      starcluster plugin new my_tools
      starcluster plugin port ~/.starcluster/plugins/old.py
    """


@command.command("list")
@forms
@click.pass_obj
def list_(app: App, /, *, form: Form) -> None:
    """Show the plugins: bundled ones, those in ~/.starcluster/plugins, of installed packages, and of the config.

    \b
    Example:
      starcluster plugin list --json
    """
    from starcluster.commands import pluginfacts

    words: list[dict[str, Any]] = [
        {
            "setup_class": one.setup_class,
            "source": one.source,
            "section": None,
            "file": one.file or None,
            "language": one.language or None,
            "summary": one.summary,
            "problem": one.problem or None,
        }
        for one in pluginfacts.every_offer()
    ]
    known = {one["setup_class"]: one for one in words}
    unknown = {"file": None, "language": None, "summary": "", "problem": None}
    for section in pluginfacts.sections(app):
        module = section.setup_class.rpartition(".")[0]
        offer = known.get(section.setup_class) or known.get(module, unknown)  # a file with a problem is its module
        words.append(
            {**offer, "setup_class": section.setup_class, "source": pluginfacts.CONFIG, "section": section.name}
        )
    show_list(form, words=words, blocks=[_block(one) for one in words], columns=_COLUMNS, what="plugins")


def _block(one: dict[str, Any]) -> dict[str, object]:
    """What is known of it."""
    section, setup_class = one["section"], one["setup_class"]
    facts = {
        "plugin": f"{section} ({setup_class})" if section else setup_class,
        "from": one["source"],
        "file": one["file"],
        "language": one["language"],
        "about": one["problem"] or one["summary"],
    }
    return {name: fact for name, fact in facts.items() if fact}


@command.command()
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def show(app: App, /, *, name: str, as_json: bool) -> None:
    """Show a plugin: what it says of itself, its settings with their defaults, its hooks, its file and language.

    Of a section of the config it shows what is set there too.

    NAME is a section of the config, a SETUP_CLASS, or the name of a class, a file or an entry point.

    \b
    Example:
      starcluster plugin show s3sync
    """
    from contextlib import nullcontext

    from starcluster import pluginloader
    from starcluster.commands import pluginfacts
    from starcluster.logger import only_stderr

    with only_stderr() if as_json else nullcontext():
        section, setup_class = pluginfacts.find(app, name)
        kind = pluginloader.find_class(section or name, setup_class)
        told = pluginfacts.told(section, setup_class, kind, pluginfacts.written(app, section))
    if as_json:
        show_json(told)
        return
    click.echo(f"{told['name']}: {told['class']}")
    click.echo(f"file: {told['file']}")
    click.echo(f"language: {told['language']} ({told['reason']})")
    click.echo(f"hooks: {or_none(', '.join(told['hooks']))}")
    click.echo("settings:" if told["settings"] else "settings: none")
    for setting in told["settings"]:
        click.echo(f"  {_setting(setting)}".rstrip())
    if told["docstring"]:
        click.echo(f"\n{told['docstring']}")


def _setting(one: Mapping[str, Any]) -> str:
    """What the config says, if it does, and what holds else."""
    default = one["default"] or ""
    if one["value"] is None:
        return f"{one['name']} (required)" if one["required"] else f"{one['name']} = {default}"
    value = one["value"].replace("\n", "\\n")
    return f"{one['name']} = {value}  ({'required' if one['required'] else f'default: {default or NONE}'})"


@command.command()
@click.argument("name", metavar="NAME")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to  [default: ~/.starcluster/plugins].")
@click.pass_obj
def new(app: App, /, *, name: str, folder: Path | None) -> None:
    """Write a plugin to begin with, and its test: NAME.py and NAME.json. What is there already stays.

    \b
    Example:
      starcluster plugin new my_tools
    """
    from starcluster.commands import newplugin
    from starcluster.plugincode.importing import plugins_folder

    plugin, test = newplugin.write(name, folder or plugins_folder())
    click.echo(str(plugin))
    click.echo(str(test))
    log.info("Its test: starcluster plugin test %s", plugin)
    log.info("In the config: [plugin %s] with SETUP_CLASS = %s.%s", name, name, newplugin.kind_of(name))


@command.command()
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="FILE", help="Write there and leave FILE alone; - prints it.")
@click.pass_obj
def port(app: App, /, *, file: Path, output: str | None) -> None:
    """Turn a Python 2 plugin into Python 3 for good. The old file is kept beside it as .py2.

    \b
    Example:
      starcluster plugin port ~/.starcluster/plugins/old.py
    """
    from starcluster.plugincode import porting

    found = porting.look(file)
    aside = {"__stderr__": output == "-"}
    if not found.text:
        if output == "-":
            click.echo(found.original.decode("utf-8", "replace"), nl=False)
        log.info("%s is Python 3: %s; nothing is to be done", file, found.verdict.reason, extra=aside)
        if porting.is_undecided(found.path):
            log.info("If it is Python 2 all the same, write `# python2` into its first line", extra=aside)
        return
    _put(found, file, output)
    for other in found.undecided:
        log.warning(
            "%s, which it imports, was Python 2 only through it: write `# python2` into its first line",
            other,
            extra=aside,
        )


def _put(found: Port, file: Path, output: str | None) -> None:
    """In the file's own place unless another is named."""
    from starcluster.plugincode import porting

    if output == "-":
        click.echo(found.text, nl=not found.text.endswith("\n"))
    elif output:
        porting.write_elsewhere(found, Path(output))
        log.info("%s is Python 3; %s is as it was", output, file)
    else:
        kept = porting.write(found)
        log.info("%s is Python 3 now; the old file is kept as %s", file, kept)


@command.command()
@click.argument("plugin", metavar="FILE|NAME")
@click.argument("cases", metavar="[JSON...]", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def test(app: App, /, *, plugin: str, cases: tuple[Path, ...]) -> int:
    """Hold a plugin against its tests: facts of nodes in, commands out. No node and no cloud is needed.

    Without JSON files it is the plugin's own, with .json in the place of .py. The difference is shown, and the exit
    status is 1, where other commands come out than the test wants.

    \b
    Example:
      starcluster plugin test my_tools
    """
    from starcluster.cluster import plugincase

    file, make = _maker(app, plugin)
    own = file.with_suffix(".json")
    if not cases and not own.exists():
        raise exception.PluginError(
            f"there is no test of {plugin} yet: {own} is not there",
            hint="docs/plugins.md shows one, and `starcluster plugin new NAME` writes one beside a new plugin",
        )
    wrong = count = 0
    for path in cases or (own,):
        for number, case in enumerate(plugincase.read_cases(path), 1):
            count += 1
            name = f"{path.name}, case {number}" + (f" ({case.about})" if case.about else "")
            difference = plugincase.play(case, make)
            wrong += bool(difference)
            click.echo(f"{'DIFFERS' if difference else 'ok'}: {name}")
            for line in difference:
                click.echo(f"    {line}")
    log.info("%d of %d cases came out as wanted", count - wrong, count)
    return _FAILED if wrong else 0


def _maker(app: App, plugin: str) -> tuple[Path, Callable[[str, Mapping[str, str]], ClusterSetup]]:
    """The plugin's file, and what makes the plugin of a class of that file with some settings."""
    import inspect
    import sys

    from starcluster import pluginloader
    from starcluster.commands import pluginfacts
    from starcluster.plugincode.importing import own_folder

    if plugin.endswith(".py") or "/" in plugin:
        file = Path(plugin).resolve()
        if not file.is_file():
            raise exception.PluginError(
                f"there is no file {plugin}", hint="`starcluster plugin list` shows your plugins"
            )
        own_folder(file.parent)
        module, only = pluginloader.load_module(file.stem, file.stem), ""
    else:
        section, setup_class = pluginfacts.find(app, plugin)
        kind = pluginloader.find_class(section or plugin, setup_class)
        file, module, only = Path(inspect.getsourcefile(kind) or ""), sys.modules[kind.__module__], kind.__name__

    def make(wanted: str, settings: Mapping[str, str]) -> ClusterSetup:
        offered = pluginloader.classes_of(module)
        name = wanted or only or (offered[0] if len(offered) == 1 else "")
        if not name:
            raise exception.PluginError(
                f"{file} has {len(offered)} plugins: {', '.join(offered) or 'none'}", hint='say which: "class": NAME'
            )
        return pluginloader.load(file.stem, f"{module.__name__}.{name}", settings)

    return file, make
