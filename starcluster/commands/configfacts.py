"""What a config means and what is wrong with it, as values; asks no cloud."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from starcluster import exception, permissions, pluginloader
from starcluster.cluster import sshrules, templatecheck, userdata
from starcluster.clustersetup import ClusterSetup
from starcluster.config import files, ini, load, templates
from starcluster.config.addresses import SSM
from starcluster.config.schema import WORLD, CloudName, ClusterTemplate, Config, Kind, PluginSettings
from starcluster.config.secrecy import HIDDEN, is_secret
from starcluster.config.sections import specs
from starcluster.config.unknown import SECTIONS, kind_of, known, unknown
from starcluster.logger import console, log
from starcluster.plugincode import importing

_ALWAYS = ("look", "start", "nodes", "stop", "end", "ssh", "trouble")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting with where it stands; file and section are "" for a default."""

    name: str
    value: str
    file: str = ""
    section: str = ""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section and its settings."""

    title: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """A cluster template: `extends` is its ancestry, `uses` the sections that it names, `needs` for AWS only."""

    name: str
    extends: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    uses: tuple[Part, ...] = ()
    needs: tuple[permissions.Need, ...] = ()
    nodes_need: tuple[permissions.Need, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Problem:
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    path: str
    cloud: str
    general: tuple[Part, ...] = ()
    templates: tuple[Meaning, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    notes: tuple[str, ...] = ()


def report(given: str | None, cloud: str | None, only: str | None = None) -> Report:
    """Everything of the config, or of one template and what it uses."""
    document = load.document_of(given, cloud=cloud)
    config = load.config_of(document, cloud=cloud)
    names = [only] if only else [name for name in ini.names(document, "cluster") if name]
    if only and f"cluster {only}" not in document.sections:
        config.template(only)
    tell = _Told(document)
    for fault in config.fatal if only else (*config.fatal, *config.faults, *_default_faults(config)):
        tell.fault(fault)
    for line in (*unknown(document), *load.open_secrets(document)):
        tell.line(line)
    for fault in _access_faults(config):
        tell.fault(fault)
    meanings = tuple(_meaning(document, config, name, tell) for name in names)
    return Report(
        path=config.path,
        cloud=config.cloud,
        general=tuple(_general(document, config)),
        templates=meanings,
        problems=tell.problems,
        notes=tuple(_notes()),
    )


def _notes() -> Iterator[str]:
    """What is worth knowing and no mistake."""
    if old := importing.converted_files():
        yield f"Python 2, converted when loaded: {', '.join(old)}; `starcluster plugin port FILE` keeps the result"


class _Told:
    """Problems, each told once however many templates share it, with the file where its section stands."""

    def __init__(self, document: ini.Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def fault(self, error: exception.BaseException, section: str = "", setting: str = "") -> None:
        """`section`, `setting`: of an error that does not know where its reason is written."""
        if section:
            error = exception.ConfigSettingError(error.msg, section=section, setting=setting, hint=error.hint)
        if isinstance(error, exception.ConfigError):
            error = templates.placed(self._document, error)
        self._add(Problem(message=str(error), hint=error.hint))

    def line(self, text: str) -> None:
        self._add(Problem(message=text))

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


# -- what is written, and what holds where nothing is


def _general(document: ini.Document, config: Config) -> Iterator[Part]:
    yield Part(title="global", settings=_settings(document.get("global"), document))
    if config.cloud is CloudName.AWS:
        yield Part(title="aws info", settings=_settings(load.aws_section(document), document))


def _settings(section: ini.Section, document: ini.Document) -> tuple[Setting, ...]:
    """Every setting that the section can have, and of a plugin those that it has."""
    kind = kind_of(section.title)
    written = list(section.raw) if kind == "plugin" else [name for name in known(kind) if name != "extends"]
    defaults = {} if kind == "plugin" else load.defaults_of(kind)
    return tuple(_setting(section, document, name, defaults.get(name, "")) for name in written)


def _setting(section: ini.Section, document: ini.Document, name: str, default: str) -> Setting:
    raw = kind_of(section.title) == "plugin" and name != "setup_class"
    text = section.raw.get(name) if raw else section.text(name)
    if text is None or not text.strip():
        return Setting(name=name.upper(), value=default)
    shown = HIDDEN if is_secret(name) else _expanded(section, name, text)
    if name in section.raw:
        return Setting(name=name.upper(), value=shown, file=section.file(name), section=section.title_of(name))
    where = document.get(ini.DEFAULTS)
    return Setting(name=name.upper(), value=shown, file=where.file(name), section=ini.DEFAULTS)


def _expanded(section: ini.Section, name: str, text: str) -> str:
    """A path as it is looked for."""
    spec = specs(SECTIONS[kind_of(section.title)]).get(name) if kind_of(section.title) in SECTIONS else None
    return files.expand(text) if spec and spec.metadata["kind"] in (Kind.PATH, Kind.PATHS) else text


# -- one template


def _meaning(document: ini.Document, config: Config, name: str, tell: _Told) -> Meaning:
    template, faults = templates.as_far_as_it_goes(document, config, name)
    for fault in faults:
        tell.fault(fault)
    if template is None:
        return Meaning(name=name)
    section = templates.extended(document, name)
    chain = tuple(one.title for one in templates.ancestry(document, name))
    _tell_template(config, template, tell)
    plugins = dict(_plugins(template, tell))
    aws = config.cloud is CloudName.AWS
    return Meaning(
        name=name,
        extends=chain[1:],
        settings=_settings(section, document),
        uses=tuple(_uses(document, template)),
        needs=tuple(permissions.needed(_features(config, template, list(plugins.values())))) if aws else (),
        nodes_need=_nodes_need(template) if aws else (),
    )


def _uses(document: ini.Document, template: ClusterTemplate) -> Iterator[Part]:
    titles = [f"key {template.keyname}"]
    titles += [f"volume {one.name}" for one in template.volumes]
    titles += [f"plugin {one.name}" for one in template.plugins]
    titles += [f"permission {one.name}" for one in template.permissions]
    for title in titles:
        section = document.get(title)
        yield Part(title=section.title, settings=_settings(section, document))


def _plugins(template: ClusterTemplate, tell: _Told) -> Iterator[tuple[str, ClusterSetup]]:
    """Those that can be made; what is wrong with the others is told, and what is said on the way."""
    for one in template.plugins:
        plugin = None
        with _overhearing() as said:
            try:
                plugin = pluginloader.load(one.name, one.setup_class, one.arguments)
            except exception.BaseException as error:
                tell.fault(error, f"plugin {one.name}")
        for line in said:
            tell.line(line)
        if plugin is not None:
            yield one.name, plugin


@contextlib.contextmanager
def _overhearing() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile, which are not printed."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ear, level = Ear(logging.WARNING), console.level
    log.addHandler(ear)
    console.setLevel(logging.CRITICAL)
    try:
        yield said
    finally:
        console.setLevel(level)
        log.removeHandler(ear)


def _features(config: Config, template: ClusterTemplate, plugins: list[ClusterSetup]) -> Iterator[str]:
    """Which features of permissions.py a cluster of this template uses, from its start to its end."""
    yield from _ALWAYS
    images = [template.node_image_id, template.master_image_id, *(run.image_id for run in template.type_runs)]
    if any(image and not image.startswith("ami-") for image in images):
        yield "names"
    if template.volumes or any(plugin.wanted_volumes() for plugin in plugins):
        yield "mount"
    if template.spot_bid is not None or any(plugin.wanted_nodes() for plugin in plugins):
        yield "spot"
    if template.iam_profile:
        yield "profile"
    if template.placement_group:
        yield "placement"
    if config.globals.ssh_proxy == SSM:
        yield "ssm"


def _nodes_need(template: ClusterTemplate) -> tuple[permissions.Need, ...]:
    wanted = {_module_of(one) for one in template.plugins}
    return tuple(need for need in permissions.NODES_NEED if wanted.intersection(need.features))


def _module_of(plugin: PluginSettings) -> str:
    return plugin.setup_class.rpartition(".")[0].rpartition(".")[2]


# -- what is wrong


def _default_faults(config: Config) -> Iterator[exception.BaseException]:
    name = config.globals.default_template
    if name and f"cluster {name}" not in config.broken:
        try:
            config.template()
        except exception.ClusterTemplateDoesNotExist as error:
            yield error


def _access_faults(config: Config) -> Iterator[exception.BaseException]:
    """Nodes that the whole world may knock at."""
    if WORLD in config.globals.ssh_cidr:
        yield exception.ConfigSettingError(
            sshrules.OPEN, file=config.path, section="global", setting="SSH_CIDR", hint=sshrules.OPEN_HINT
        )


def _tell_template(config: Config, template: ClusterTemplate, tell: _Told) -> None:
    for fault in templatecheck.faults(template):
        tell.fault(fault)
    if _key_is_there(config, template):
        for fault in templatecheck.key_faults(template):
            tell.fault(fault, f"key {template.keyname}", "KEY_LOCATION")
    for fault in templatecheck.script_faults(template):
        tell.fault(fault, f"cluster {template.name}", "USERDATA_SCRIPTS")
    for line in userdata.secrets_in(template.userdata_scripts):
        tell.line(line)
    if config.globals.ssh_proxy == SSM and not template.iam_profile:
        role = exception.BaseException("is missing: with SSH_PROXY = ssm the nodes need a role of their own")
        tell.fault(role, f"cluster {template.name}", "IAM_PROFILE")
    for one in template.permissions:
        if sshrules.opens_to_world(one):
            section = f"permission {one.name}"
            tell.fault(exception.BaseException(sshrules.OPEN, hint=sshrules.OPEN_HINT), section, "CIDR_IP")


def _key_is_there(config: Config, template: ClusterTemplate) -> bool:
    """The local cloud makes its own key when it is first up."""
    unmade = config.cloud is CloudName.LOCAL and template.key_location == str(files.local_key())
    return bool(template.key_location) and not (unmade and not files.local_key().exists())
