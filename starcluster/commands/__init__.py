"""The verbs: one file each, imported when the verb is used. This table is all that `--help` reads."""

from __future__ import annotations

from typing import NamedTuple

PROGRAM = "starcluster"
COMPLETE_VARIABLE = "_STARCLUSTER_COMPLETE"
"""Set by the shell's function, which runs this program to ask for the words that may come next."""


class Entry(NamedTuple):
    """A verb in the table: commands/NAME.py has its `command`."""

    topic: str
    summary: str
    aliases: tuple[str, ...] = ()


_CLUSTERS, _NODES, _WORK = "Clusters", "Nodes and files", "Named spot nodes"
_IMAGES = "Machine images and S3"
_VOLUMES, _EC2, _OTHER = "Volumes", "What EC2 has", "Keys, local cloud, help"

VERBS: dict[str, Entry] = {
    "start": Entry(_CLUSTERS, "Start a cluster"),
    "stop": Entry(_CLUSTERS, "Stop a cluster's instances, to go on later"),
    "restart": Entry(_CLUSTERS, "Reboot a cluster and set it up again", ("reboot",)),
    "reload": Entry(_CLUSTERS, "Let a running cluster follow its changed template"),
    "terminate": Entry(_CLUSTERS, "End a cluster for good; its volumes stay"),
    "listclusters": Entry(_CLUSTERS, "Show clusters and their nodes", ("lc",)),
    "train": Entry(_WORK, "Keep named spot nodes alive until their commands are done"),
    "nodes": Entry(_WORK, "Show the named nodes of a cluster and what became of them"),
    "logs": Entry(_WORK, "Show what a named node's command wrote"),
    "sshmaster": Entry(_NODES, "Log in to the master, or run a command there", ("sm",)),
    "sshnode": Entry(_NODES, "Log in to a node, or run a command there", ("sn",)),
    "sshinstance": Entry(_NODES, "Log in to any instance, or run a command there", ("si",)),
    "put": Entry(_NODES, "Copy files to a cluster"),
    "get": Entry(_NODES, "Copy files from a cluster"),
    "sshconfig": Entry(_NODES, "Let plain ssh, scp and rsync know the nodes by name"),
    "sshrules": Entry(_NODES, "Show who may ssh to clusters, or let a lost machine in no more"),
    "sync": Entry(_NODES, "Push a node's folder to S3 now, or bring it back"),
    "addnode": Entry(_NODES, "Add nodes to a cluster", ("an",)),
    "removenode": Entry(_NODES, "Take nodes out of a cluster", ("rn",)),
    "loadbalance": Entry(_NODES, "Not yet; says what to use instead", ("bal",)),
    "runplugin": Entry(_NODES, "Run a plugin on a running cluster", ("rp",)),
    "plugin": Entry(_NODES, "Plugins: list, show, new, port, test"),
    "createvolume": Entry(_VOLUMES, "Make a formatted volume that outlives clusters", ("cv",)),
    "listvolumes": Entry(_VOLUMES, "Show volumes", ("lv",)),
    "resizevolume": Entry(_VOLUMES, "Let a volume and its file system grow", ("res",)),
    "attachvolume": Entry(_VOLUMES, "Attach a volume to a running node, and mount it", ("av",)),
    "detachvolume": Entry(_VOLUMES, "Unmount a volume and detach it", ("dv",)),
    "copyvolume": Entry(_VOLUMES, "Copy a volume to another zone", ("cpv",)),
    "removevolume": Entry(_VOLUMES, "Delete volumes for good", ("rv",)),
    "snapshotvolume": Entry(_VOLUMES, "Keep what is on a volume now", ("sv",)),
    "listsnapshots": Entry(_VOLUMES, "Show snapshots", ("lsn",)),
    "restorevolume": Entry(_VOLUMES, "Make a volume with what a snapshot holds", ("rsv",)),
    "removesnapshot": Entry(_VOLUMES, "Delete snapshots for good", ("rsn",)),
    "drive": Entry(_VOLUMES, "Disks that follow the work from zone to zone: create, attach, move and more"),
    "listinstances": Entry(_EC2, "Show instances, of clusters or not", ("lsi",)),
    "listspots": Entry(_EC2, "Show spot requests", ("ls",)),
    "spothistory": Entry(_EC2, "Show the spot prices of an instance type", ("shi",)),
    "listzones": Entry(_EC2, "Show the region's zones", ("lz",)),
    "listregions": Entry(_EC2, "Show the regions", ("lr",)),
    "showconsole": Entry(_EC2, "Show what an instance printed while booting", ("sc",)),
    "ebsimage": Entry(_IMAGES, "Make an image of a running instance", ("eimg",)),
    "listimages": Entry(_IMAGES, "Show your images", ("li",)),
    "listpublic": Entry(_IMAGES, "Show the stock images that have short names", ("lp",)),
    "showimage": Entry(_IMAGES, "Show an image and its snapshots", ("shimg",)),
    "removeimage": Entry(_IMAGES, "Remove images for good, with their snapshots", ("ri",)),
    "listbuckets": Entry(_IMAGES, "Show S3 buckets", ("lb",)),
    "showbucket": Entry(_IMAGES, "Show what is in an S3 bucket", ("sb",)),
    "s3image": Entry(_IMAGES, "Of old; says what to use instead", ("simg", "createimage")),
    "downloadimage": Entry(_IMAGES, "Of old; says what to use instead", ("di",)),
    "createkey": Entry(_OTHER, "Make a key pair, or import one", ("ck",)),
    "removekey": Entry(_OTHER, "Delete a key pair", ("rk",)),
    "listkeypairs": Entry(_OTHER, "Show key pairs", ("lk",)),
    "config": Entry(_OTHER, "The config: what a template means, which permissions it needs, what is wrong"),
    "local": Entry(_OTHER, "The local cloud: up, down, status, interrupt and more"),
    "shell": Entry(_OTHER, "Open a Python shell with the clusters in it", ("sh",)),
    "completion": Entry(_OTHER, "Print what completes words in bash, zsh or fish"),
    "help": Entry(_OTHER, "Show help"),
}

ALIASES: dict[str, str] = {alias: name for name, entry in VERBS.items() for alias in entry.aliases}
