"""Security groups, subnets, key pairs, zones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starcluster import exception
from starcluster.aws import forms
from starcluster.aws.api import Api
from starcluster.model import KeyPair, Permission, SecurityGroup, Subnet, Zone

CLOSE_TOGETHER = "cluster"  # EC2's word for that strategy of placement groups


def several(groups: Sequence[SecurityGroup]) -> exception.UserMustAct:
    """The error for a name that several VPCs have."""
    where = ", ".join(f"{one.id} in {one.vpc_id}" for one in groups)
    return exception.UserMustAct(
        f"{len(groups)} security groups are named '{groups[0].name}': {where}",
        hint="a name can mean one cluster only: end the instances of the one that is not wanted, and delete its"
        " group by its id (aws ec2 delete-security-group --group-id ...)",
    )


class Network:
    def __init__(self, api: Api) -> None:
        self._api = api

    # -- security groups

    def group(self, name: str) -> SecurityGroup | None:
        """The group of that name, None when there is none; UserMustAct when several VPCs have one."""
        # EC2 takes * and ? in a filter for any letters
        found = [one for one in self._groups(group_name=name) if one.name == name]
        if len(found) > 1:
            raise several(found)
        return found[0] if found else None

    def group_of(self, group_id: str) -> SecurityGroup:
        """The group of that id, or SecurityGroupDoesNotExist."""
        found = self._groups(group_id=group_id)
        if not found:
            raise exception.SecurityGroupDoesNotExist(
                f"security group '{group_id}' does not exist", code="InvalidGroup.NotFound"
            )
        return found[0]

    def groups(self, prefix: str = "") -> list[SecurityGroup]:
        """All groups whose name begins so, in EC2's order."""
        return [one for one in self._groups(group_name=f"{prefix}*") if one.name.startswith(prefix)]

    def find_groups(self, filters: Mapping[str, str | list[str]]) -> list[SecurityGroup]:
        """The groups that fit filters by EC2's own names."""
        return self._described(forms.filter_list(filters))

    def _groups(self, **wanted: str) -> list[SecurityGroup]:
        return self._described(forms.filters(**wanted))

    def _described(self, filters: list[dict[str, Any]]) -> list[SecurityGroup]:
        answers = self._api.pages(
            "describe_security_groups",
            "SecurityGroups",
            what="list security groups",
            page_size=self._api.page_size,
            Filters=filters,
        )
        return [forms.security_group(answer) for answer in answers]

    def create_group(
        self, name: str, description: str, vpc_id: str = "", tags: Mapping[str, str] | None = None
    ) -> SecurityGroup:
        """A new empty group; ConflictError when the name is taken in this VPC."""
        options: dict[str, Any] = {"VpcId": vpc_id} if vpc_id else {}
        answer = self._api.change(
            "create_security_group",
            what=f"create the security group {name}",
            GroupName=name,
            Description=description,
            TagSpecifications=forms.tag_specifications(tags or {}, "security-group"),
            **options,
        )
        return SecurityGroup(id=answer["GroupId"], name=name, vpc_id=vpc_id, tags=dict(tags or {}))

    def authorize(self, group_id: str, permissions: Iterable[Permission]) -> None:
        """Let traffic in; rules that are there already are no error."""
        for permission in permissions:
            try:
                self._rule("authorize_security_group_ingress", group_id, permission)
            except exception.ConflictError as error:
                if error.code != "InvalidPermission.Duplicate":
                    raise

    def revoke(self, group_id: str, permissions: Iterable[Permission]) -> None:
        """Take rules back; those that are not there are no error."""
        for permission in permissions:
            try:
                # a rule is what it lets in; what is said of it counts for nothing
                plain = dataclasses.replace(permission, description="")
                self._rule("revoke_security_group_ingress", group_id, plain)
            except exception.ConflictError as error:
                if error.code != "InvalidPermission.NotFound":
                    raise

    def _rule(self, operation: str, group_id: str, permission: Permission) -> None:
        entry = forms.permission_answer(permission)
        self._api.change(operation, what=f"change the rules of {group_id}", GroupId=group_id, IpPermissions=[entry])

    def delete_group(self, group_id: str) -> None:
        """Delete; ConflictError while an instance uses it, no error when it is gone."""
        try:
            self._api.change("delete_security_group", what=f"delete the security group {group_id}", GroupId=group_id)
        except exception.SecurityGroupDoesNotExist:
            return

    def tag_group(self, group_id: str, tags: Mapping[str, str]) -> None:
        if tags:
            self._api.change("create_tags", what=f"tag {group_id}", Resources=[group_id], Tags=forms.tag_list(tags))

    def untag_group(self, group_id: str, keys: Iterable[str]) -> None:
        tags = [{"Key": key} for key in keys]
        if tags:
            self._api.change("delete_tags", what=f"untag {group_id}", Resources=[group_id], Tags=tags)

    # -- placement groups

    def create_placement_group(self, name: str, tags: Mapping[str, str]) -> None:
        """A group whose instances are close together, in one zone; one that is there already is no error."""
        try:
            self._api.change(
                "create_placement_group",
                what=f"create the placement group {name}",
                GroupName=name,
                Strategy=CLOSE_TOGETHER,
                TagSpecifications=forms.tag_specifications(tags, "placement-group"),
            )
        except exception.ConflictError as error:
            if error.code != "InvalidPlacementGroup.Duplicate":
                raise

    def delete_placement_group(self, name: str) -> None:
        """Delete; ConflictError while an instance is in it, no error when it is gone."""
        try:
            self._api.change("delete_placement_group", what=f"delete the placement group {name}", GroupName=name)
        except exception.AWSError as error:
            if error.code != "InvalidPlacementGroup.Unknown":
                raise

    # -- subnets and zones

    def subnets(self, vpc_id: str = "", zone: str = "", ids: Sequence[str] = ()) -> list[Subnet]:
        answers = self._api.pages(
            "describe_subnets",
            "Subnets",
            what="list subnets",
            Filters=forms.filters(vpc_id=vpc_id, availability_zone=zone, subnet_id=ids),
        )
        return [forms.subnet(answer) for answer in answers]

    def reaches_internet(self, subnet: Subnet) -> bool:
        """Whether its routes lead to an internet gateway: without one public addresses are good for nothing."""
        own = self._route_tables(association_subnet_id=subnet.id)
        tables = own or self._route_tables(vpc_id=subnet.vpc_id, association_main="true")
        routes = [route for table in tables for route in table.get("Routes", ())]
        return any(
            route.get("DestinationCidrBlock") == "0.0.0.0/0" and str(route.get("GatewayId", "")).startswith("igw-")
            for route in routes
        )

    def _route_tables(self, **wanted: str) -> list[dict[str, Any]]:
        filters = {name.replace("association_", "association.").replace("_", "-"): one for name, one in wanted.items()}
        return self._api.pages(
            "describe_route_tables", "RouteTables", what="look up the routes", Filters=forms.filter_list(filters)
        )

    def default_vpc(self) -> str:
        """The id of this region's default VPC, "" when it has none."""
        answers = self._api.pages(
            "describe_vpcs", "Vpcs", what="look up the default VPC", Filters=forms.filters(is_default="true")
        )
        return str(answers[0]["VpcId"]) if answers else ""

    def zones(self) -> list[Zone]:
        """The availability zones of this region (no local or wavelength zones)."""
        answer = self._api.read("describe_availability_zones", what="list the zones")
        return [
            Zone(name=one["ZoneName"], region=one["RegionName"], state=one["State"])
            for one in answer["AvailabilityZones"]
            if one.get("ZoneType", "availability-zone") == "availability-zone"
        ]

    def regions(self) -> dict[str, str]:
        """Name -> endpoint of the regions that this account can use."""
        answer = self._api.read("describe_regions", what="list the regions")
        return {one["RegionName"]: one["Endpoint"] for one in answer["Regions"]}

    # -- key pairs

    def key_pairs(self) -> list[KeyPair]:
        answer = self._api.read("describe_key_pairs", what="list the key pairs")
        return [_key_pair(one) for one in answer["KeyPairs"]]

    def key_pair(self, name: str) -> KeyPair | None:
        """The key pair with its public key, None when there is none of that name."""
        answer = self._api.read(
            "describe_key_pairs",
            what=f"look up the key pair {name}",
            Filters=forms.filters(key_name=name),
            IncludePublicKey=True,
        )
        return _key_pair(answer["KeyPairs"][0]) if answer["KeyPairs"] else None

    def import_key(self, name: str, public_key: str, tags: Mapping[str, str] | None = None) -> KeyPair:
        """Make a public key known to EC2; ConflictError when the name is taken."""
        answer = self._api.change(
            "import_key_pair",
            what=f"import the key pair {name}",
            KeyName=name,
            PublicKeyMaterial=public_key.encode(),
            TagSpecifications=forms.tag_specifications(tags or {}, "key-pair"),
        )
        return KeyPair(name=name, fingerprint=answer["KeyFingerprint"], public_key=public_key)

    def create_key(
        self, name: str, kind: str = "ed25519", tags: Mapping[str, str] | None = None
    ) -> tuple[KeyPair, str]:
        """A new pair and its private key, which EC2 tells this once only."""
        answer = self._api.change(
            "create_key_pair",
            what=f"create the key pair {name}",
            KeyName=name,
            KeyType=kind,
            TagSpecifications=forms.tag_specifications(tags or {}, "key-pair"),
        )
        pair = KeyPair(name=name, fingerprint=answer["KeyFingerprint"], kind=kind)
        return pair, str(answer["KeyMaterial"])

    def delete_key(self, name: str) -> None:
        self._api.change("delete_key_pair", what=f"delete the key pair {name}", KeyName=name)


def _key_pair(answer: Mapping[str, Any]) -> KeyPair:
    return KeyPair(
        name=answer["KeyName"],
        fingerprint=answer.get("KeyFingerprint", ""),
        kind=answer.get("KeyType", "rsa"),
        public_key=answer.get("PublicKey", ""),
    )
