"""SSH from where this machine is now: a laptop that has moved is let in again, and its old address is not any more."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from starcluster import exception, names
from starcluster.cluster import sshrules
from starcluster.logger import log
from starcluster.model import Permission, SecurityGroup
from starcluster.ssh.proxy import BastionDialer

if TYPE_CHECKING:
    from starcluster.aws.session import Ec2
    from starcluster.clock import Clock
    from starcluster.cloud import Cloud

_AGE = 60.0  # EC2's seconds between two looks at where we are


def callers(cloud: Cloud, ec2: Ec2) -> tuple[str, ...]:
    """From where SSH comes; of a bastion that is an instance, its private address too, by which it may reach nodes."""
    found = cloud.callers()
    if not isinstance(cloud.dialer, BastionDialer):
        return found
    addresses = [one.removesuffix("/32") for one in found if one.endswith("/32")]
    inside = [one.private_ip for one in ec2.instances.find(addresses=addresses) if one.private_ip] if addresses else []
    return tuple(dict.fromkeys([*found, *(f"{one}/32" for one in inside)]))


class Door:
    """The SSH rules of one group; `keep` is cheap when it was called a moment ago."""

    def __init__(self, group: SecurityGroup, *, ec2: Ec2, cloud: Cloud, clock: Clock) -> None:
        self._ec2, self._cloud, self._clock = ec2, cloud, clock
        self._group = group
        self._rules = list(group.permissions)
        self._looked: float | None = None
        self._told = False
        self._lock = threading.Lock()

    def keep(self) -> None:
        """Let this machine in. What goes wrong here is said, and SSH is tried all the same."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked is not None and now - self._looked < _AGE:
                return
            self._looked = now
            try:
                self._change(callers(self._cloud, self._ec2))
            except exception.AWSError as error:
                log.debug("whether SSH is open to this machine is not known: %s", error)

    def _change(self, wanted: tuple[str, ...]) -> None:
        added, stale = sshrules.changes(self._rules, wanted)
        if not added and not stale:
            self._tell_shut_out(wanted)
            return
        try:
            self._ec2.network.authorize(self._group.id, added)
            self._ec2.network.revoke(self._group.id, stale)
        except exception.AWSError as error:
            log.warning("SSH to %s can not be opened to %s: %s", *self._words(added), error, extra=_ASIDE)
            return
        self._rules = [one for one in self._rules if one not in stale] + added
        if added:
            log.info("SSH to %s is open to %s now, from where this machine comes", *self._words(added), extra=_ASIDE)
        if stale:
            log.info("SSH to %s is not open to %s any more", *self._words(stale), extra=_ASIDE)

    def _tell_shut_out(self, wanted: tuple[str, ...]) -> None:
        """A [permission] is never widened: who seems to be outside of it is told, once."""
        deciding = sshrules.keeping_out(self._rules, wanted)
        if not deciding or self._told:
            return
        self._told = True
        sections = [f"[permission {one.description}]" for one in deciding if one.description]
        log.warning(
            "SSH to %s is open to %s only (%s), and this machine comes from %s: it is tried all the same.\n"
            "Come from there, or change CIDR_IP in the config and let the cluster follow: starcluster reload %s",
            *self._words(deciding),
            ", ".join(dict.fromkeys(sections)) or "a rule made by hand",
            ", ".join(wanted),
            names.cluster_tag(self._group.name),
            extra=_ASIDE,
        )

    def _words(self, rules: list[Permission]) -> tuple[str, str]:
        return self._group.name, ", ".join(one.cidr for one in rules)


_ASIDE = {"__stderr__": True}
