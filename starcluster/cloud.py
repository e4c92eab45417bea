"""Which cloud, and how to reach it: the one place that knows the local cloud from AWS.

Both are spoken to by boto3. They differ in endpoint, credentials and the way a socket to a node is opened.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starcluster import exception
from starcluster.aws import regions
from starcluster.config import files
from starcluster.config.addresses import AUTO, SSM, parts
from starcluster.config.schema import AwsSettings, CloudName, Config
from starcluster.logger import log
from starcluster.ssh.dialer import Dialer, LocalDialer, TcpDialer
from starcluster.ssh.proxy import BastionDialer, SsmDialer

LOCAL_ADDRESS = "127.0.0.1/32"
_WHO_AM_I = "https://checkip.amazonaws.com"
_WHO_AM_I_LIMIT = 10


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """What every part needs to know of the cloud, and no more.

    `public`: it is AWS, on the Internet. `clock_scale`: how many of EC2's seconds pass in one of ours.
    `node_environment`: what AWS's own clients on a node must be told; nothing on AWS, where they know the way.
    `callers()` tells the address ranges from where this machine's SSH connections come.
    """

    name: CloudName
    region: str
    dialer: Dialer
    callers: Callable[[], tuple[str, ...]]
    public: bool
    node_environment: Mapping[str, str] = field(default_factory=dict)
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    profile: str | None = None
    clock_scale: float = 1.0
    folder: Path | None = None
    proxies: Mapping[str, str] | None = field(default=None, repr=False)  # may hold AWS_PROXY_PASS
    verify: bool = True


def open_cloud(config: Config, *, override: str | None = None, region: str | None = None) -> Cloud:
    """The cloud that the config (or the override) names; starts the local one when it is down."""
    name = CloudName(override) if override else config.cloud
    if name is CloudName.LOCAL:
        return _local(config, region)
    return _aws(config, region)


def _local(config: Config, region: str | None) -> Cloud:
    folder = files.local_folder()
    facts = start_local(folder)
    if region and region != facts["region"]:
        raise exception.UserMustAct(f"the local cloud has the region {facts['region']} only, not {region}")
    return Cloud(
        name=CloudName.LOCAL,
        region=facts["region"],
        endpoint_url=facts["endpoint"],
        access_key=facts["access_key"],
        secret_key=facts["secret_key"],
        clock_scale=float(facts["speed"]),
        dialer=_proxy(config, facts["region"]) or LocalDialer(folder),
        public=False,
        callers=lambda: ssh_callers(config, lambda: LOCAL_ADDRESS),
        folder=folder,
        node_environment={"AWS_ENDPOINT_URL_S3": facts["node_s3_endpoint"]},
    )


def start_local(folder: Path, **options: Any) -> dict[str, Any]:
    """The local cloud's facts (cloud.json); starts it when it is down, and says so."""
    from starcluster.localcloud import control

    try:
        facts = control.status(folder)
        if facts is None:
            log.info("Starting the local cloud (%s)", folder)
            facts = control.up(folder, **options)
    except control.LocalCloudError as error:
        raise exception.LocalCloudError(error.message, hint=error.hint) from error
    return facts


def _aws(config: Config, region: str | None) -> Cloud:
    aws = config.aws
    where = regions.choose(region, aws.aws_region_name, aws.aws_profile or None)
    return Cloud(
        name=CloudName.AWS,
        region=where,
        endpoint_url=aws_endpoint(aws),
        access_key=aws.aws_access_key_id or None,
        secret_key=aws.aws_secret_access_key or None,
        session_token=aws.aws_session_token or None,
        profile=aws.aws_profile or None,
        dialer=_proxy(config, where) or TcpDialer(),
        public=True,
        callers=lambda: ssh_callers(config, _ask_caller_cidr),
        proxies=aws_proxies(aws),
        verify=aws.aws_validate_certs,
    )


def aws_endpoint(aws: AwsSettings) -> str | None:
    """AWS_REGION_HOST and its companions as a URL; None = AWS's own address for the region."""
    if not aws.aws_region_host:
        return None
    scheme = "https" if aws.aws_is_secure else "http"
    port = f":{aws.aws_port}" if aws.aws_port else ""
    return f"{scheme}://{aws.aws_region_host}{port}{aws.aws_ec2_path.rstrip('/')}"


def aws_proxies(aws: AwsSettings) -> dict[str, str] | None:
    """AWS_PROXY and its companions as botocore takes them; None = the environment's."""
    if not aws.aws_proxy:
        return None
    login = f"{quote(aws.aws_proxy_user)}:{quote(aws.aws_proxy_pass)}@" if aws.aws_proxy_user else ""
    port = f":{aws.aws_proxy_port}" if aws.aws_proxy_port else ""
    url = f"http://{login}{aws.aws_proxy}{port}"
    return {"http": url, "https": url}


def ssh_callers(config: Config, here: Callable[[], str]) -> tuple[str, ...]:
    """SSH_CIDR, `auto` where it is not set; `here` asks for this machine's own address.

    Behind SSH_PROXY it is the bastion that calls; the Session Manager comes from inside the node.
    """
    proxy = config.globals.ssh_proxy
    wanted = config.globals.ssh_cidr or (() if proxy == SSM else (AUTO,))
    ask = _ask_bastion(bastion(config)) if proxy and proxy != SSM else here
    return tuple(dict.fromkeys(ask() if one == AUTO else one for one in wanted))


def _ask_bastion(dialer: BastionDialer) -> Callable[[], str]:
    def ask() -> str:
        try:
            return f"{dialer.address()}/32"
        except OSError as error:
            raise exception.UserMustAct(
                f"the address of the bastion {dialer.host} can not be found: {error}",
                hint="set SSH_CIDR in [global] to the address from which it reaches the nodes",
            ) from error

    return ask


def bastion(config: Config) -> BastionDialer:
    """The SSH server that SSH_PROXY names."""
    user, host, port = parts(config.globals.ssh_proxy)
    key_file = Path(config.globals.ssh_proxy_key) if config.globals.ssh_proxy_key else None
    return BastionDialer(host=host, user=user, port=port, key_file=key_file, strict=config.globals.ssh_strict)


def _proxy(config: Config, region: str) -> Dialer | None:
    """The dialer that SSH_PROXY asks for; None when it is not set."""
    if not config.globals.ssh_proxy:
        return None
    if config.globals.ssh_proxy != SSM:
        return bastion(config)
    if config.cloud is CloudName.LOCAL:
        raise exception.UserMustAct(
            "SSH_PROXY = ssm is AWS's Session Manager, which the local cloud does not have",
            hint="leave SSH_PROXY out there, or name a bastion",
        )
    if config.aws.aws_access_key_id and "AWS_ACCESS_KEY_ID" not in config.from_environment:
        raise exception.UserMustAct(
            "SSH_PROXY = ssm runs the aws program, which does not know the keys in [aws info]",
            hint="put them into a profile (aws configure --profile NAME) and name that by AWS_PROFILE",
        )
    return SsmDialer(region=region, profile=config.aws.aws_profile)


def _ask_caller_cidr() -> str:
    """This machine's address as AWS sees it, asked from AWS's own service."""
    try:
        with urllib.request.urlopen(_WHO_AM_I, timeout=_WHO_AM_I_LIMIT) as answer:
            address = answer.read(100).decode("ascii", "replace").strip()
    except OSError as error:
        raise exception.UserMustAct(
            f"can not learn this machine's address from {_WHO_AM_I}: {error}",
            hint="set SSH_CIDR in [global] to the addresses that may ssh to the nodes, such as 203.0.113.7/32",
        ) from error
    return f"{address}/32"
