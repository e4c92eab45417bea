"""The actions on tags, key pairs, security groups and placement groups."""

from __future__ import annotations

import secrets
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE

from starcluster.localcloud.api import errors, filters, paging
from starcluster.localcloud.api.answer import Answer
from starcluster.localcloud.api.cloud import ACCOUNT
from starcluster.localcloud.api.tagging import check_limit, read_tag_specifications, read_tags
from starcluster.localcloud.api.views import tag_list, tags_of

# moto's word for these differs from EC2's.
RESOURCE_TYPES = {"sir": "spot-instances-request", "key": "key-pair", "pg": "placement-group", "lt": "launch-template"}

TAG_FILTERS: dict[str, filters.Getter] = {
    "key": lambda row: row["Key"],
    "resource-id": lambda row: row["ResourceId"],
    "resource-type": lambda row: row["ResourceType"],
    "value": lambda row: row["Value"],
}

GROUP_FILTERS: dict[str, filters.Getter] = {
    "description": lambda g: g.description,
    "group-id": lambda g: g.id,
    "group-name": lambda g: g.name,
    "owner-id": lambda g: g.owner_id,
    "vpc-id": lambda g: g.vpc_id,
    "ip-permission.cidr": lambda g: [each.get("CidrIp") for rule in g.ingress_rules for each in rule.ip_ranges],
    "ip-permission.from-port": lambda g: [rule.from_port for rule in g.ingress_rules],
    "ip-permission.to-port": lambda g: [rule.to_port for rule in g.ingress_rules],
    "ip-permission.protocol": lambda g: [rule.ip_protocol for rule in g.ingress_rules],
    "ip-permission.group-id": lambda g: [
        each.get("GroupId") for rule in g.ingress_rules for each in rule.source_groups
    ],
}

KEY_FILTERS: dict[str, filters.Getter] = {
    "fingerprint": lambda k: k.key_fingerprint,
    "key-name": lambda k: k.key_name,
    "key-pair-id": lambda k: k.id,
}

STRATEGIES = ("cluster", "spread", "partition")


def resource_type(resource_id: str) -> str:
    prefix = resource_id.rpartition("-")[0]
    return RESOURCE_TYPES.get(prefix) or str(EC2_PREFIX_TO_RESOURCE.get(prefix, ""))


class TagAnswers(Answer):
    """Everything that is only a record."""

    def create_tags(self) -> ActionResult:
        backend, ids = self.ec2_backend, self._get_param("Resources", [])
        if not ids:
            raise errors.missing("resourceIdSet")
        for resource_id in ids:
            self._check_exists(resource_id)
        tags = read_tags(self._get_param("Tags", []))
        for resource_id in ids:
            check_limit({**tags_of(backend, resource_id), **tags})
        self.error_on_dryrun()
        for resource_id in ids:
            backend.tags[resource_id].update(tags)
        self._tags_changed(ids)
        return EmptyResult()

    def delete_tags(self) -> ActionResult:
        ids = self._get_param("Resources", [])
        for resource_id in ids:
            self._check_exists(resource_id)
        self.error_on_dryrun()
        wanted = self._get_param("Tags", [])
        for resource_id in ids:
            held = self.ec2_backend.tags[resource_id]
            chosen = wanted or [{"Key": key} for key in held if not key.startswith("aws:")]
            for tag in chosen:
                if tag.get("Value") in (None, held.get(tag["Key"])):
                    held.pop(tag["Key"], None)
        self._tags_changed(ids)
        return EmptyResult()

    def _check_exists(self, resource_id: str) -> None:
        backend = self.ec2_backend
        prefix = resource_id.rpartition("-")[0]
        if prefix == "sir" and resource_id not in self.world.spot_requests:
            text = f"The spot instance request ID '{resource_id}' does not exist"
            raise errors.Refusal("InvalidSpotInstanceRequestID.NotFound", text)
        if prefix == "key" and resource_id not in {pair.id for pair in backend.key_pairs.values()}:
            raise errors.Refusal("InvalidKeyPair.NotFound", f"The key pair '{resource_id}' does not exist")
        if prefix == "eni" and resource_id not in backend.enis:
            text = f"The networkInterface ID '{resource_id}' does not exist"
            raise errors.Refusal("InvalidNetworkInterfaceID.NotFound", text)
        if not resource_type(resource_id):
            raise errors.Refusal("InvalidID", f"The ID '{resource_id}' is not valid")
        if prefix not in ("sir", "key", "eni", "pg"):
            backend.do_resources_exist([resource_id])

    def _tags_changed(self, ids: list[str]) -> None:
        for resource_id in ids:
            if resource_id.startswith("i-"):
                self.cloud.at_once("publish", resource_id)

    def describe_tags(self) -> ActionResult:
        self.error_on_dryrun()
        rows = [
            {"ResourceId": each, "ResourceType": resource_type(each), "Key": key, "Value": value}
            for each, tags in self.ec2_backend.tags.items()
            for key, value in tags.items()
        ]
        found = filters.apply(rows, filters.read_filters(self.params), TAG_FILTERS, lambda row: {})
        shown, token = paging.page(found, self.params, key=lambda row: f"{row['ResourceId']}/{row['Key']}")
        return ActionResult({"Tags": shown, "NextToken": token})

    # --- security groups ---------------------------------------------------------------------------------------

    def describe_security_groups(self) -> ActionResult:
        self.error_on_dryrun()
        backend = self.ec2_backend
        ids, names = self._get_param("GroupIds", []), self._get_param("GroupNames", [])
        if (ids or names) and self._get_param("MaxResults"):
            raise errors.bad_combination("MaxResults cannot be used with group ids or names")
        every = [group for groups in backend.groups.values() for group in groups.values()]
        for wanted, known in ((ids, {each.id for each in every}), (names, {each.name for each in every})):
            for each in wanted:
                if each not in known:
                    raise errors.Refusal("InvalidGroup.NotFound", f"The security group '{each}' does not exist")
        found = [each for each in every if not (ids or names) or each.id in ids or each.name in names]
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, GROUP_FILTERS, lambda each: tags_of(backend, each.id))
        shown, token = paging.page(found, self.params, key=lambda each: str(each.id))
        return ActionResult({"SecurityGroups": shown, "NextToken": token})

    def delete_security_group(self) -> ActionResult:
        backend = self.ec2_backend
        group_id, name = self._get_param("GroupId"), self._get_param("GroupName")
        group = backend.get_security_group_from_id(group_id) if group_id else None
        group = group or (backend.get_security_group_from_name(name) if name else None)
        if group is None:
            text = f"The security group '{group_id or name}' does not exist"
            raise errors.Refusal("InvalidGroup.NotFound", text)
        if group.name == "default":
            raise errors.Refusal("CannotDelete", "the specified group: the default group cannot be deleted")
        users = backend.users_of_group(group.id)
        if users:
            text = f"resource {group.id} has a dependent object ({users[0]})"
            raise errors.Refusal("DependencyViolation", text)
        self.error_on_dryrun()
        backend.groups[group.vpc_id].pop(group.id)
        backend.tags.pop(group.id, None)
        return ActionResult({"Return": True, "GroupId": group.id})

    # --- key pairs ---------------------------------------------------------------------------------------------

    def describe_key_pairs(self) -> ActionResult:
        self.error_on_dryrun()
        backend = self.ec2_backend
        names, ids = self._get_param("KeyNames", []), self._get_param("KeyPairIds", [])
        known = {each for pair in backend.key_pairs.values() for each in (pair.key_name, pair.id)}
        for each in [*names, *ids]:
            if each not in known:
                raise errors.Refusal("InvalidKeyPair.NotFound", f"The key pair '{each}' does not exist")
        pairs = [each for each in backend.key_pairs.values() if not names or each.key_name in names]
        pairs = [each for each in pairs if not ids or each.id in ids]
        wanted = filters.read_filters(self.params)
        pairs = filters.apply(pairs, wanted, KEY_FILTERS, lambda each: tags_of(backend, each.id))
        public = bool(self._get_bool_param("IncludePublicKey", False))
        return ActionResult({"KeyPairs": [self._key_view(each, public=public) for each in pairs]})

    def _key_view(self, pair: Any, *, public: bool) -> dict[str, Any]:
        view = {
            "KeyPairId": pair.id,
            "KeyName": pair.key_name,
            "KeyFingerprint": pair.key_fingerprint,
            "KeyType": pair.key_type,
            "CreateTime": pair.create_time,
            "Tags": tag_list(tags_of(self.ec2_backend, pair.id)),
        }
        return view | ({"PublicKey": pair.public_key} if public else {})

    # --- placement groups --------------------------------------------------------------------------------------

    def create_placement_group(self) -> ActionResult:
        name, strategy = self._get_param("GroupName"), self._get_param("Strategy") or "cluster"
        if not name:
            raise errors.missing("GroupName")
        if strategy not in STRATEGIES:
            raise errors.invalid_value(strategy, "strategy")
        if name in self.cloud.world.placement_groups:
            raise errors.Refusal("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
        specs = read_tag_specifications(self._get_param("TagSpecifications", []), ["placement-group"])
        self.error_on_dryrun()
        group_id = f"pg-{secrets.token_hex(9)[:17]}"
        group = {"GroupName": name, "GroupId": group_id, "Strategy": strategy, "State": "available"}
        group["GroupArn"] = f"arn:aws:ec2:{self.region}:{ACCOUNT}:placement-group/{name}"
        self.cloud.world.placement_groups[name] = group
        self.ec2_backend.tags[group_id].update(specs.get("placement-group", {}))
        return ActionResult({"PlacementGroup": self._placement_view(group)})

    def _placement_view(self, group: dict[str, Any]) -> dict[str, Any]:
        return {**group, "Tags": tag_list(tags_of(self.ec2_backend, group["GroupId"]))}

    def describe_placement_groups(self) -> ActionResult:
        self.error_on_dryrun()
        groups = self.world.placement_groups
        names = self._get_param("GroupNames", [])
        for name in names:
            self._placement_group(name)
        getters: dict[str, filters.Getter] = {
            "group-name": lambda each: each["GroupName"],
            "state": lambda each: each["State"],
            "strategy": lambda each: each["Strategy"],
        }
        found = [group for name, group in groups.items() if not names or name in names]
        wanted = filters.read_filters(self.params)
        found = filters.apply(found, wanted, getters, lambda each: tags_of(self.ec2_backend, each["GroupId"]))
        return ActionResult({"PlacementGroups": [self._placement_view(each) for each in found]})

    def _placement_group(self, name: str) -> dict[str, Any]:
        group: dict[str, Any] | None = self.world.placement_groups.get(name)
        if group is None:
            raise errors.Refusal("InvalidPlacementGroup.Unknown", f"The placement group '{name}' is unknown.")
        return group

    def delete_placement_group(self) -> ActionResult:
        name = self._get_param("GroupName")
        group = self._placement_group(name)
        alive = [each for each in self.ec2_backend.every_instance() if each.now != "terminated"]
        if any(each.placement.group_name == name for each in alive):
            raise errors.Refusal("InvalidPlacementGroup.InUse", f"The placement group '{name}' is in use.")
        self.error_on_dryrun()
        self.cloud.world.placement_groups.pop(name)
        self.ec2_backend.tags.pop(group["GroupId"], None)
        return EmptyResult()
