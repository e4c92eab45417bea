"""What the program asks of AWS: each action of IAM with the features that use it, and on what it may be allowed.

Pure data, so that `config check`, the documentation and an IAM policy say the same. A call that is new in
starcluster/aws/ gets its line here; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OWN_TAG = "@sc-schema"  # everything that this program makes carries it from its creation


class Only(StrEnum):
    """What a policy can demand: its condition key, "" where AWS knows none that helps."""

    ANY = ""
    MADE_BY_US = f"aws:ResourceTag/{OWN_TAG}"
    TAGGED = f"aws:RequestTag/{OWN_TAG}"
    AT_CREATION = "ec2:CreateAction"
    FOR_EC2 = "iam:PassedToService"
    FOR_SPOT = "iam:AWSServiceName"
    FOR_A_SERVICE = "kms:GrantIsForAWSResource"


@dataclass(frozen=True, kw_only=True)
class On:
    """Kinds of resources, as ARNs name them, and the condition under which the action is wanted on them."""

    kinds: tuple[str, ...]
    only: Only = Only.ANY


@dataclass(frozen=True, kw_only=True)
class Need:
    """One action. `by_us`: one of our own calls; else AWS asks for it when it does what we asked."""

    action: str
    features: tuple[str, ...]
    on: tuple[On, ...]
    by_us: bool = True


@dataclass(frozen=True, kw_only=True)
class Feature:
    name: str
    what: str
    verbs: tuple[str, ...]


EVERYTHING = (On(kinds=("*",)),)
_LAUNCH_INPUTS = On(kinds=("image", "snapshot", "subnet", "security-group", "key-pair", "placement-group"))
_LAUNCHED = On(kinds=("instance", "volume", "network-interface", "spot-instances-request"), only=Only.TAGGED)
_AT_CREATION = On(
    kinds=(
        *("instance", "volume", "network-interface", "spot-instances-request", "security-group"),
        *("launch-template", "snapshot", "image", "key-pair", "placement-group"),
    ),
    only=Only.AT_CREATION,
)


def _ours(*kinds: str) -> On:
    return On(kinds=kinds, only=Only.MADE_BY_US)


def _made(*kinds: str) -> On:
    return On(kinds=kinds, only=Only.TAGGED)


FEATURES: dict[str, Feature] = {
    one.name: one
    for one in (
        Feature(
            name="look",
            what="see what there is",
            verbs=(
                *("listclusters", "listinstances", "listspots", "listvolumes", "listsnapshots", "listkeypairs"),
                *("listregions", "listzones", "nodes", "logs", "sshmaster", "sshnode", "put", "get"),
            ),
        ),
        Feature(name="start", what="start a cluster, change its settings", verbs=("start", "reload")),
        Feature(name="nodes", what="add and remove nodes", verbs=("addnode", "removenode")),
        Feature(name="train", what="keep named nodes alive", verbs=("train",)),
        Feature(name="spot", what="spot instances", verbs=("start", "addnode", "train", "createvolume", "listspots")),
        Feature(name="stop", what="stop, start again and reboot", verbs=("stop", "start", "restart")),
        Feature(name="end", what="end a cluster", verbs=("terminate",)),
        Feature(
            name="ssh",
            what="let this machine in by SSH, and know the nodes' host keys",
            verbs=("start", "sshmaster", "sshnode", "put", "get", "addnode", "train", "runplugin", "sshrules"),
        ),
        Feature(name="names", what="images by their names", verbs=("start", "addnode", "train", "createvolume")),
        Feature(name="mount", what="volumes of the cluster", verbs=("start", "stop", "terminate", "train")),
        Feature(
            name="volumes",
            what="make, change and delete volumes",
            verbs=("createvolume", "resizevolume", "copyvolume", "removevolume", "attachvolume", "detachvolume"),
        ),
        Feature(
            name="snapshots",
            what="snapshots",
            verbs=("snapshotvolume", "restorevolume", "copyvolume", "removesnapshot", "listsnapshots"),
        ),
        Feature(name="drives", what="drives", verbs=("drive", "train")),
        Feature(
            name="images",
            what="make and delete images",
            verbs=("ebsimage", "listimages", "listpublic", "showimage", "removeimage"),
        ),
        Feature(name="buckets", what="see your buckets in S3", verbs=("listbuckets", "showbucket")),
        Feature(name="keys", what="make and delete key pairs", verbs=("createkey", "removekey")),
        Feature(name="prices", what="what it costs", verbs=("spothistory", "train", "nodes")),
        Feature(name="profile", what="nodes with a role of their own (IAM_PROFILE)", verbs=("start", "train")),
        Feature(
            name="placement", what="nodes close together (PLACEMENT_GROUP)", verbs=("start", "addnode", "terminate")
        ),
        Feature(name="encryption", what="encrypted volumes with a key of yours", verbs=("createvolume", "copyvolume")),
        Feature(name="ssm", what="SSH through the Session Manager (SSH_PROXY = ssm)", verbs=("sshmaster", "sshnode")),
        Feature(name="plugins", what="attributes of instances, which old plugins may change", verbs=("runplugin",)),
        Feature(name="trouble", what="say what is wrong", verbs=("showconsole", "start", "train")),
    )
}

_LAUNCHING = ("start", "nodes", "train")
_DISKS = ("mount", "volumes", "snapshots", "drives")


def _see(action: str, *features: str) -> Need:
    """A description, which can be limited to no resource."""
    return Need(action=action, features=features, on=EVERYTHING)


NEEDS: tuple[Need, ...] = (
    # what there is
    _see("ec2:DescribeInstances", "look", *_LAUNCHING, "stop", "end", *_DISKS),
    _see("ec2:DescribeSecurityGroups", "look", *_LAUNCHING, "stop", "end", "ssh", "volumes"),
    _see("ec2:DescribeVolumes", "look", *_DISKS),
    _see("ec2:DescribeSpotInstanceRequests", "look", "spot", "end"),
    _see("ec2:DescribeLaunchTemplates", "look", "train", "drives", "end"),
    _see("ec2:DescribeKeyPairs", "look", "keys", "start", "volumes"),
    _see("ec2:DescribeAvailabilityZones", "look", "start", "volumes", "drives"),
    _see("ec2:DescribeRegions", "look"),
    _see("ec2:DescribeVpcs", "start", "volumes"),
    _see("ec2:DescribeSubnets", *_LAUNCHING, "volumes"),
    _see("ec2:DescribeRouteTables", "start"),
    _see("ec2:DescribeInstanceTypes", *_LAUNCHING, "volumes"),
    _see("ec2:DescribeInstanceTypeOfferings", *_LAUNCHING, "volumes"),
    _see("ec2:DescribeImages", "names", "images", *_LAUNCHING, "volumes"),
    _see("ec2:DescribeInstanceAttribute", "look"),
    _see("ec2:DescribeSnapshots", "snapshots", "drives", "images"),
    _see("ec2:DescribeVolumesModifications", "volumes"),
    _see("ec2:DescribeInstanceStatus", "trouble", "nodes"),
    _see("ec2:DescribeSpotPriceHistory", "prices", "spot"),
    Need(action="ssm:GetParameter", features=("names",), on=(On(kinds=("parameter/aws/service",)),)),
    Need(action="ssm:GetParameters", features=("images",), on=(On(kinds=("parameter/aws/service",)),)),
    _see("pricing:GetProducts", "prices"),
    _see("sts:DecodeAuthorizationMessage", "trouble"),
    Need(action="ec2:GetConsoleOutput", features=("ssh", "trouble"), on=(_ours("instance"),)),
    # machines
    Need(action="ec2:RunInstances", features=(*_LAUNCHING, "volumes"), on=(_LAUNCH_INPUTS, _LAUNCHED)),
    Need(
        action="ec2:CreateTags",
        features=(*_LAUNCHING, *_DISKS, "keys", "images"),
        on=(
            _AT_CREATION,
            _ours("instance", "volume", "snapshot", "security-group", "launch-template", "image"),
        ),
    ),
    Need(
        action="ec2:DeleteTags",
        features=("start", "train", *_DISKS, "images"),
        on=(_ours("instance", "volume", "snapshot", "security-group", "launch-template", "image"),),
    ),
    Need(
        action="ec2:TerminateInstances",
        features=("end", "nodes", "train", "start", "volumes"),
        on=(_ours("instance"),),
    ),
    Need(
        action="ec2:CancelSpotInstanceRequests",
        features=("spot", "end"),
        on=(_ours("spot-instances-request"),),
    ),
    Need(action="ec2:StopInstances", features=("stop",), on=(_ours("instance"),)),
    Need(action="ec2:StartInstances", features=("stop",), on=(_ours("instance"),)),
    Need(action="ec2:RebootInstances", features=("stop",), on=(_ours("instance"),)),
    Need(action="ec2:ModifyInstanceAttribute", features=("plugins",), on=(_ours("instance", "security-group"),)),
    Need(
        action="ec2:CreateSecurityGroup",
        features=("start", "volumes"),
        on=(On(kinds=("vpc",)), _made("security-group")),
    ),
    Need(
        action="ec2:AuthorizeSecurityGroupIngress",
        features=("start", "ssh", "volumes"),
        on=(_ours("security-group"),),
    ),
    Need(action="ec2:RevokeSecurityGroupIngress", features=("start", "ssh"), on=(_ours("security-group"),)),
    Need(action="ec2:DeleteSecurityGroup", features=("end", "volumes"), on=(_ours("security-group"),)),
    Need(action="ec2:CreatePlacementGroup", features=("placement",), on=(_made("placement-group"),)),
    Need(action="ec2:DeletePlacementGroup", features=("placement",), on=(_ours("placement-group"),)),
    Need(action="ec2:CreateLaunchTemplate", features=("train", "drives"), on=(_made("launch-template"),)),
    Need(action="ec2:DeleteLaunchTemplate", features=("end", "drives"), on=(_ours("launch-template"),)),
    # disks
    Need(action="ec2:AttachVolume", features=_DISKS, on=(_ours("instance", "volume"),)),
    Need(action="ec2:DetachVolume", features=_DISKS, on=(_ours("instance", "volume"),)),
    Need(
        action="ec2:CreateVolume",
        features=("volumes", "snapshots", "drives"),
        on=(_made("volume"), _ours("snapshot")),
    ),
    Need(action="ec2:ModifyVolume", features=("volumes",), on=(_ours("volume"),)),
    Need(action="ec2:DeleteVolume", features=("volumes", "snapshots", "drives"), on=(_ours("volume"),)),
    Need(
        action="ec2:CreateSnapshot",
        features=("snapshots", "volumes", "drives"),
        on=(_made("snapshot"), _ours("volume")),
    ),
    Need(action="ec2:DeleteSnapshot", features=("snapshots", "volumes", "drives", "images"), on=(_ours("snapshot"),)),
    # images and keys
    Need(
        action="ec2:CreateImage",
        features=("images",),
        on=(_ours("instance"), _made("image", "snapshot")),
    ),
    Need(action="ec2:DeregisterImage", features=("images",), on=(_ours("image"),)),
    Need(action="ec2:CreateKeyPair", features=("keys",), on=(_made("key-pair"),)),
    Need(action="ec2:ImportKeyPair", features=("keys",), on=(_made("key-pair"),)),
    Need(action="ec2:DeleteKeyPair", features=("keys",), on=(_ours("key-pair"),)),
    # what AWS asks for on the way
    Need(
        action="iam:PassRole",
        features=("profile",),
        on=(On(kinds=("role",), only=Only.FOR_EC2),),
        by_us=False,
    ),
    Need(
        action="iam:CreateServiceLinkedRole",
        features=("spot",),
        on=(On(kinds=("role/aws-service-role/spot.amazonaws.com/*",), only=Only.FOR_SPOT),),
        by_us=False,
    ),
    Need(
        action="kms:CreateGrant",
        features=("encryption",),
        on=(On(kinds=("key",), only=Only.FOR_A_SERVICE),),
        by_us=False,
    ),
    Need(action="kms:Decrypt", features=("encryption",), on=(On(kinds=("key",)),), by_us=False),
    Need(action="kms:DescribeKey", features=("encryption",), on=(On(kinds=("key",)),), by_us=False),
    Need(
        action="kms:GenerateDataKeyWithoutPlaintext",
        features=("encryption",),
        on=(On(kinds=("key",)),),
        by_us=False,
    ),
    Need(
        action="ssm:StartSession",
        features=("ssm",),
        on=(_ours("instance"), On(kinds=("document/AWS-StartSSHSession",))),
        by_us=False,
    ),
    Need(action="ssm:TerminateSession", features=("ssm",), on=(On(kinds=("session",)),), by_us=False),
    Need(action="s3:ListAllMyBuckets", features=("buckets",), on=EVERYTHING),
    Need(action="s3:ListBucket", features=("buckets",), on=(On(kinds=("bucket",)),)),
)

# what the nodes ask themselves, by the role of their instance profile; the bucket is the plugin's BUCKET
NODES_NEED: tuple[Need, ...] = (
    Need(action="s3:ListBucket", features=("s3sync", "permanent"), on=(On(kinds=("bucket",)),)),
    Need(action="s3:ListBucketMultipartUploads", features=("s3sync",), on=(On(kinds=("bucket",)),)),
    Need(action="s3:GetObject", features=("s3sync", "permanent"), on=(On(kinds=("object",)),)),
    Need(action="s3:PutObject", features=("s3sync", "permanent"), on=(On(kinds=("object",)),)),
    Need(action="s3:DeleteObject", features=("s3sync", "permanent"), on=(On(kinds=("object",)),)),
    Need(action="s3:AbortMultipartUpload", features=("s3sync", "permanent"), on=(On(kinds=("object",)),)),
)


def needed(features: Iterable[str]) -> list[Need]:
    """The actions of these features, in the table's order."""
    wanted = set(features)
    return [one for one in NEEDS if wanted.intersection(one.features)]
