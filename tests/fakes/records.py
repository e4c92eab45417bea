"""Groups, keys, launch templates and prices in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starcluster import exception
from starcluster.model import (
    KeyPair,
    LaunchTemplate,
    Permission,
    SecurityGroup,
    Subnet,
    Zone,
)
from tests.fakes.trouble import REGION, VPC, fake_error

if TYPE_CHECKING:
    from tests.fakes.ec2 import FakeEc2


class FakeNetwork:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all_groups: dict[str, SecurityGroup] = {}
        self.all_keys: dict[str, KeyPair] = {}
        self.private_subnets: set[str] = set()
        self.placement_groups: dict[str, dict[str, str]] = {}

    def name_of(self, group_id: str) -> str:
        group = self.all_groups.get(group_id)
        return group.name if group else ""

    def group(self, name: str) -> SecurityGroup | None:
        self.ec2.note("network.group", name)
        return next((one for one in self.all_groups.values() if one.name == name), None)

    def group_of(self, group_id: str) -> SecurityGroup:
        self.ec2.note("network.group_of", group_id)
        if group_id not in self.all_groups:
            raise fake_error("InvalidGroup.NotFound")
        return self.all_groups[group_id]

    def groups(self, prefix: str = "") -> list[SecurityGroup]:
        self.ec2.note("network.groups", prefix)
        return [one for one in self.all_groups.values() if one.name.startswith(prefix)]

    def find_groups(self, filters: Mapping[str, str | list[str]]) -> list[SecurityGroup]:
        self.ec2.note("network.find_groups", filters)
        names = filters.get("group-name", [one.name for one in self.all_groups.values()])
        return [one for one in self.all_groups.values() if one.name in names]

    def create_group(
        self, name: str, description: str, vpc_id: str = "", tags: Mapping[str, str] | None = None
    ) -> SecurityGroup:
        self.ec2.note("network.create_group", name)
        if any(one.name == name for one in self.all_groups.values()):
            raise fake_error("InvalidGroup.Duplicate", f"{name} exists")
        made = SecurityGroup(id=self.ec2.new_id("sg"), name=name, vpc_id=vpc_id or VPC, tags=dict(tags or {}))
        self.all_groups[made.id] = made
        return made

    def _change(self, group_id: str, **changes: Any) -> None:
        if group_id not in self.all_groups:
            raise exception.SecurityGroupDoesNotExist(f"{group_id} does not exist")
        self.all_groups[group_id] = dataclasses.replace(self.all_groups[group_id], **changes)

    def authorize(self, group_id: str, permissions: Iterable[Permission]) -> None:
        self.ec2.note("network.authorize", group_id)
        old = self.all_groups[group_id].permissions
        self._change(group_id, permissions=(*old, *(one for one in permissions if one not in old)))

    def revoke(self, group_id: str, permissions: Iterable[Permission]) -> None:
        self.ec2.note("network.revoke", group_id)
        gone = list(permissions)
        left = tuple(one for one in self.all_groups[group_id].permissions if one not in gone)
        self._change(group_id, permissions=left)

    def delete_group(self, group_id: str) -> None:
        self.ec2.note("network.delete_group", group_id)
        users = [one for one in self.ec2.instances.all.values() if group_id in one.group_ids]
        if any(not one.state.is_gone for one in users):
            raise fake_error("DependencyViolation", f"{group_id} has instances")
        self.all_groups.pop(group_id, None)

    def create_placement_group(self, name: str, tags: Mapping[str, str]) -> None:
        self.ec2.note("network.create_placement_group", name)
        self.placement_groups.setdefault(name, dict(tags))

    def delete_placement_group(self, name: str) -> None:
        self.ec2.note("network.delete_placement_group", name)
        alive = [one for one in self.ec2.instances.all.values() if not one.state.is_gone]
        if any(self.ec2.instances.requests[one.client_token].placement_group == name for one in alive):
            raise fake_error("InvalidPlacementGroup.InUse", f"{name} has instances")
        self.placement_groups.pop(name, None)

    def tag_group(self, group_id: str, tags: Mapping[str, str]) -> None:
        self.ec2.note("network.tag_group", group_id)
        known = self.all_groups.get(group_id)
        self._change(group_id, tags={**(known.tags if known else {}), **tags})

    def untag_group(self, group_id: str, keys: Iterable[str]) -> None:
        self.ec2.note("network.untag_group", group_id)
        gone = set(keys)
        tags = self.all_groups[group_id].tags
        self._change(group_id, tags={key: value for key, value in tags.items() if key not in gone})

    def reaches_internet(self, subnet: Subnet) -> bool:
        return subnet.id not in self.private_subnets

    def subnets(self, vpc_id: str = "", zone: str = "", ids: Sequence[str] = ()) -> list[Subnet]:
        known = [
            Subnet(
                id=f"subnet-{number}",
                vpc_id=VPC,
                zone=name,
                cidr=f"172.31.{number * 16}.0/20",
                free_addresses=4000,
                default_for_zone=True,
                public_ips=True,
            )
            for number, name in enumerate(self.ec2.zone_names)
        ]
        return [
            one for one in known if vpc_id in ("", one.vpc_id) and zone in ("", one.zone) and (not ids or one.id in ids)
        ]

    def default_vpc(self) -> str:
        return VPC

    def zones(self) -> list[Zone]:
        self.ec2.note("network.zones")
        return [Zone(name=name, region=REGION) for name in self.ec2.zone_names]

    def regions(self) -> dict[str, str]:
        self.ec2.note("network.regions")
        return {REGION: f"ec2.{REGION}.amazonaws.com"}

    def key_pairs(self) -> list[KeyPair]:
        self.ec2.note("network.key_pairs")
        return list(self.all_keys.values())

    def key_pair(self, name: str) -> KeyPair | None:
        return self.all_keys.get(name)

    def import_key(self, name: str, public_key: str, tags: Mapping[str, str] | None = None) -> KeyPair:
        self.ec2.note("network.import_key", name)
        if name in self.all_keys:
            raise fake_error("InvalidKeyPair.Duplicate", f"key pair {name} exists")
        self.all_keys[name] = KeyPair(name=name, fingerprint="00:11:22", public_key=public_key)
        return self.all_keys[name]

    def create_key(
        self, name: str, kind: str = "ed25519", tags: Mapping[str, str] | None = None
    ) -> tuple[KeyPair, str]:
        self.ec2.note("network.create_key", name)
        return self.import_key(name, ""), "-----BEGIN FAKE KEY-----\n-----END FAKE KEY-----\n"

    def delete_key(self, name: str) -> None:
        self.ec2.note("network.delete_key", name)
        self.all_keys.pop(name, None)


class FakeTemplates:
    def __init__(self, ec2: FakeEc2) -> None:
        self.ec2 = ec2
        self.all: dict[str, LaunchTemplate] = {}

    def find(self, *, cluster: str) -> list[LaunchTemplate]:
        self.ec2.note("templates.find", cluster)
        return [one for one in self.all.values() if not cluster or one.tags.get("@sc-cluster") == cluster]

    def tagged(self, key: str, value: str = "*") -> list[LaunchTemplate]:
        self.ec2.note("templates.tagged", (key, value))
        return [one for one in self.all.values() if key in one.tags and value in ("*", one.tags[key])]

    def get(self, name: str) -> LaunchTemplate | None:
        self.ec2.note("templates.get", name)
        return next((one for one in self.all.values() if one.name == name), None)

    def create(self, name: str, tags: Mapping[str, str], data: Mapping[str, Any]) -> LaunchTemplate:
        self.ec2.note("templates.create", name)
        if not data:
            raise fake_error("MissingParameter", "LaunchTemplateData is empty")
        if any(one.name == name for one in self.all.values()):
            raise fake_error("InvalidLaunchTemplateName.AlreadyExistsException", f"{name} exists")
        made = LaunchTemplate(id=self.ec2.new_id("lt"), name=name, created=self.ec2.now, tags=dict(tags))
        self.all[made.id] = made
        return made

    def tag(self, template_id: str, tags: Mapping[str, str]) -> None:
        self.ec2.note("templates.tag", template_id)
        merged = {**self._one(template_id).tags, **tags}
        if len(merged) > 50:
            raise fake_error("TagLimitExceeded")
        self.all[template_id] = dataclasses.replace(self.all[template_id], tags=merged)

    def tag_all(self, template_ids: Sequence[str], tags: Mapping[str, str]) -> None:
        self.ec2.note("templates.tag_all", tuple(template_ids))
        for one in template_ids:
            self.all[one] = dataclasses.replace(self._one(one), tags={**self._one(one).tags, **tags})

    def untag(self, template_id: str, keys: Iterable[str]) -> None:
        self.ec2.note("templates.untag", template_id)
        gone = set(keys)
        left = {key: value for key, value in self._one(template_id).tags.items() if key not in gone}
        self.all[template_id] = dataclasses.replace(self.all[template_id], tags=left)

    def _one(self, template_id: str) -> LaunchTemplate:
        if template_id not in self.all:
            raise exception.NotFoundError(f"{template_id} does not exist")
        return self.all[template_id]

    def delete(self, template_id: str) -> None:
        self.ec2.note("templates.delete", template_id)
        self.all.pop(template_id, None)


class FakePrices:
    def __init__(self) -> None:
        self.all: dict[str, float] = {"t3.micro": 0.0104}

    def on_demand(self, instance_type: str, region: str = "") -> float | None:
        return self.all.get(instance_type)
