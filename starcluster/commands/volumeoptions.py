"""Options that several verbs on volumes share, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from starcluster import exception

if TYPE_CHECKING:
    from starcluster.app import App
    from starcluster.cluster.volumehosts import HostWish
    from starcluster.config.schema import ClusterTemplate, Config

_DEFAULT_IMAGE = "ubuntu-24.04"
Function = Callable[..., Any]

_HOST_OPTIONS = (
    click.option(
        "-b", "--bid", type=click.FloatRange(min=0), metavar="DOLLARS", help="Use a spot host, up to this price."
    ),
    click.option("-k", "--keypair", metavar="NAME", help="Key pair for the host  [default: the default template's]."),
    click.option("-H", "--host-instance", default="", metavar="ID", help="Work on this running instance."),
    click.option(
        "--helper", is_flag=True, help="Launch a helper, even if a node of yours runs in the zone and could do it."
    ),
    click.option("-d", "--detach-volume", is_flag=True, help="Accepted; it is always detached."),
    click.option("-s", "--shutdown-volume-host", is_flag=True, help="Accepted; the host is always shut down."),
    click.option("-i", "--image-id", metavar="IMAGE", help="The host's image."),
    click.option("-I", "--instance-type", metavar="TYPE", help="The host's type  [default: t3.micro]."),
)
_SPEED_OPTIONS = (
    click.option("--type", "kind", metavar="TYPE", help="gp3, gp2, io1, io2, st1 or sc1."),
    click.option("--iops", type=click.IntRange(min=1), metavar="N", help="IOPS, of gp3, io1 and io2."),
    click.option("--throughput", type=click.IntRange(min=1), metavar="N", help="MiB/s, of gp3."),
)
_ENCRYPTION_OPTIONS = (
    click.option("--encrypted", is_flag=True, help="Encrypt it."),
    click.option("--kms-key", default="", metavar="KEY", help="The key to encrypt it with  [default: the account's]."),
)


def host_options(function: Function) -> Function:
    """Who works on the volume: to be taken as **host, and given to `host_wish`."""
    return _with(_HOST_OPTIONS, function)


def speed_options(function: Function) -> Function:
    return _with(_SPEED_OPTIONS, function)


def encryption_options(function: Function) -> Function:
    return _with(_ENCRYPTION_OPTIONS, function)


def _with(options: tuple[Callable[[Function], Function], ...], function: Function) -> Function:
    for option in reversed(options):
        function = option(function)
    return function


def host_wish(app: App, words: dict[str, Any]) -> HostWish:
    """What the host options ask for; the default template fills in what is not said."""
    from starcluster.cluster.volumehosts import DEFAULT_TYPE, HostWish

    template = default_template(app.config)
    wish = HostWish(
        keyname=words["keypair"] or default_key(app.config, template),
        image=words["image_id"] or (template.node_image_id if template else _DEFAULT_IMAGE),
        instance_type=words["instance_type"] or DEFAULT_TYPE,
        bid=words["bid"],
        host=words["host_instance"],
        fresh=words["helper"],
        subnet_id=template.subnet_id if template else "",
        public_ips=template.public_ips if template else None,
    )
    app.config.key(wish.keyname)
    return wish


def default_template(config: Config) -> ClusterTemplate | None:
    """The default template, if one is set: its key, image and network are good for the helper too."""
    return config.template() if config.globals.default_template else None


def default_key(config: Config, template: ClusterTemplate | None) -> str:
    if template:
        return template.keyname
    if len(config.keys) == 1:
        return next(iter(config.keys))
    known = ", ".join(config.keys) or "none"
    raise exception.KeyNotFound(
        "which key pair shall the helper have?", file=config.path, hint=f"name one with -k; in this config: {known}"
    )
