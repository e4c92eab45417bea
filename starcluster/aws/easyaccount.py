"""What old programs ask of EC2 beside what plugins do (easyec2.py), under StarCluster's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starcluster import exception
from starcluster.aws import keyfile
from starcluster.aws.instances import Instances
from starcluster.aws.likeboto import Machine, filters_of
from starcluster.aws.network import Network
from starcluster.model import KeyPair
from starcluster.permissions import OWN_TAG


@dataclass(frozen=True, kw_only=True)
class RegionInfo:
    """A region as boto told of it."""

    name: str
    endpoint: str


class EasyAccount:
    instances: Instances
    network: Network

    # --- regions

    @property
    def regions(self) -> dict[str, RegionInfo]:
        return {name: RegionInfo(name=name, endpoint=host) for name, host in self.network.regions().items()}

    def get_region(self, region_name: str) -> RegionInfo:
        """One of them, or RegionDoesNotExist."""
        known = self.regions
        if region_name not in known:
            raise exception.RegionDoesNotExist(
                f"region '{region_name}' does not exist", hint=f"the regions are: {', '.join(sorted(known))}"
            )
        return known[region_name]

    # --- instances

    def get_all_instances(
        self, instance_ids: Sequence[str] = (), filters: Mapping[str, Any] | None = None
    ) -> list[Machine]:
        """The region's instances, of these ids or all; of filters instance-state-name is known."""
        wanted = filters_of(filters)
        states = wanted.pop("instance-state-name", None)
        if wanted:
            raise exception.InvalidOperation(
                f"the filters {', '.join(sorted(wanted))} are not known here", hint="ask for all, and choose from them"
            )
        found = self.instances.find(ids=list(instance_ids))
        return [Machine(one, self.instances) for one in found if states is None or str(one.state) in states]

    # --- key pairs

    def get_keypairs(self, filters: Mapping[str, Any] | None = None) -> list[KeyPair]:
        names = filters_of(filters).get("key-name")
        return [one for one in self.network.key_pairs() if names is None or one.name in names]

    def get_keypair(self, keyname: str) -> KeyPair:
        """The key pair of that name, or KeyPairDoesNotExist."""
        found = self.get_keypair_or_none(keyname)
        if found is None:
            raise exception.KeyPairDoesNotExist(f"key pair '{keyname}' does not exist")
        return found

    def get_keypair_or_none(self, keyname: str) -> KeyPair | None:
        return self.network.key_pair(keyname)

    def create_keypair(self, name: str, output_file: str | None = None) -> KeyPair:
        """A new key pair, or KeyPairAlreadyExists; its private key goes into a new file, for nobody else to read."""
        if self.get_keypair_or_none(name) is not None:
            raise exception.KeyPairAlreadyExists(f"key pair '{name}' exists already", hint="choose another name")
        if output_file is None:
            raise exception.KeyFileError("the new private key needs a file", hint="create_keypair(name, output_file)")
        path = Path(output_file).expanduser()
        try:
            return keyfile.create(self.network, name, path, tags={OWN_TAG: "1"})
        except OSError as error:
            raise exception.KeyFileError(f"can not write {path}: {error.strerror}") from error

    def wait_for_propagation(self, **_: object) -> None:
        """Nothing to do: whoever launches here waits until EC2 tells of it."""
