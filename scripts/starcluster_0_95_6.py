"""StarCluster 0.95.6's verbs as facts: aliases, options, what is different here. cli_docs.py makes a table of it."""

from __future__ import annotations

from typing import NamedTuple


class Was(NamedTuple):
    """A verb as it was: `options` as words, long ones first; `different`: sentences on what it does otherwise here."""

    aliases: str
    options: str
    different: str


LOGIN = "--user/-u --forward-x11/-X --forward-agent/-A --pseudo-tty/-t"
HOST = (
    "--bid/-b --keypair/-k --host-instance/-H --detach-volume/-d --shutdown-volume-host/-s --image-id/-i"
    " --instance-type/-I"
)
VOLUME_HOST = (
    "A running node of yours in the zone does the work; else a helper, which is always ended: -d and -s change nothing."
)
OLD_IMAGES = "Refused, with one line why: images in S3 can not be started on any instance type of today. Use ebsimage."

VERBS: dict[str, Was] = {
    "start": Was(
        "",
        "--no-create/-x --create-only/-o --validate-only/-v --skip-validation/-V --login-master/-l --disable-queue/-q"
        " --enable-queue/-Q --force-spot-master --no-spot-master --public-ips --no-public-ips --cluster-template/-c"
        " --refresh-interval/-r --bid/-b --description/-d --cluster-size/-s --cluster-user/-u --cluster-shell/-S"
        " --master-image-id/-m --node-image-id/-n --master-instance-type/-I --node-instance-type/-i"
        " --availability-zone/-a --keyname/-k --key-location/-K --userdata-script/-U --dns-prefix/-P --no-dns-prefix/-p"
        " --subnet-id/-N",
        "No countdown before a spot cluster. Any instance type of EC2 is taken. The description is a tag. A start that"
        " was killed is repeated by the same command.",
    ),
    "stop": Was("", "--confirm/-c --terminate-unstoppable/-t --force/-f", ""),
    "terminate": Was(
        "", "--confirm/-c --force/-f", "Nobody answering the question is an error (exit 1), not a traceback."
    ),
    "restart": Was("reboot", "--reboot-only/-o", ""),
    "listclusters": Was(
        "lc", "--show-ssh-status/-s", "The master is first, whatever the others are called. Lists that fail are errors."
    ),
    "sshmaster": Was("sm", LOGIN, "Quotes inside the command work: no local shell is between."),
    "sshnode": Was("sn", LOGIN, "NODE may be a number, as StarCluster's help promised: 0 is the master, 1 is node001."),
    "put": Was("", "--user/-u --node/-n", "ssh and tar instead of scp."),
    "get": Was("", "--user/-u --node/-n", "ssh and tar instead of scp."),
    "addnode": Was(
        "an",
        "--alias/-a --num-nodes/-n --image-id/-i --instance-type/-I --availability-zone/-z --bid/-b --no-create/-x",
        "A node that was made half is gone on with by -x -a.",
    ),
    "removenode": Was("rn", "--aliases/-a --num-nodes/-n --keep-instance/-k --confirm/-c --force/-f", ""),
    "loadbalance": Was(
        "bal",
        "--dump-stats/-d --dump-stats-file/-D --plot-stats/-p --plot-output-dir/-P --interval/-i --max_nodes/-m"
        " --job_wait_time/-w --add_nodes_per_iter/-a --kill_after/-k --stabilization_time/-s --lookback_window/-l"
        " --min_nodes/-n --kill-cluster/-K",
        "Not yet: it follows a queue, and clusters have none so far. It says so and ends 1.",
    ),
    "sshinstance": Was("si", "--user/-u --forward-x11/-X --forward-agent/-A", "Also by address."),
    "listinstances": Was("lsi", "--show-terminated/-t", ""),
    "listspots": Was("ls", "--show-closed/-c", "launch_group and zone_group are N/A: the groups of old are not used."),
    "listimages": Was("li", "--executable-by-me/-x", ""),
    "listpublic": Was(
        "lp",
        "",
        "StarCluster's own images are gone: the stock images of Ubuntu, Debian and Amazon Linux that have short names.",
    ),
    "listkeypairs": Was("lk", "", ""),
    "createkey": Was("ck", "--output-file/-o --import-key/-i", ""),
    "removekey": Was("rk", "--confirm/-c", "The local cloud's own key pair is refused."),
    "s3image": Was(
        "simg createimage", "--description/-d --kernel-id/-k --ramdisk-id/-R --remove-image-files/-r", OLD_IMAGES
    ),
    "ebsimage": Was(
        "eimg",
        "--description/-d --snapshot-description/-D --kernel-id/-k --ramdisk-id/-r --root-volume-size/-s",
        "The instance is not rebooted and loses nothing: what is private is kept out of the image and put back. Data"
        " volumes are left out. The last line is the image's id alone. -k and -r are refused, -s changes nothing.",
    ),
    "showimage": Was("shimg", "", "Of images on EBS: what it is, and its snapshots."),
    "downloadimage": Was("di", "", OLD_IMAGES),
    "showbucket": Was("sb", "", "Size, time and name of each object."),
    "listbuckets": Was("lb", "", ""),
    "removeimage": Was("ri", "--pretend/-p --confirm/-c --keep-image-data/-k", "By name, too."),
    "createvolume": Was(
        "cv",
        f"--name/-n {HOST} --mkfs-cmd/-m --tag/-t",
        f"{VOLUME_HOST} ext4, not ext3; gp3. A tag without a value is allowed, as the manual showed. The last line is"
        " the volume's id alone.",
    ),
    "listvolumes": Was(
        "lv",
        "--name/-n --show-deleted/-d --volume-id/-v --size/-s --status/-S --attach-status/-a --zone/-z --snapshot-id/-i"
        " --tag/-t",
        "More lines at the end of a block: type, iops, throughput, encrypted, attached_to.",
    ),
    "resizevolume": Was(
        "res",
        f"--zone/-z {HOST.removeprefix('--bid/-b ')} --resizefs-cmd/-r",
        "The volume itself grows, while it is in use; with -z a larger copy is made and the old one kept.",
    ),
    "removevolume": Was("rv", "--confirm/-c", "An attached volume ends 1."),
    "spothistory": Was(
        "shi", "--zone/-z --days/-d --start-time/-s --end-time/-e --plot/-p --vpc/-v --classic/-c", "Any type of EC2."
    ),
    "showconsole": Was("sc", "", "Also TAG NODE."),
    "listregions": Was("lr", "", ""),
    "listzones": Was("lz", "--region/-r", ""),
    "runplugin": Was("rp", "", ""),
    "shell": Was("sh", "--ipcluster/-p", "Python's own shell where IPython is not installed; programs from stdin."),
    "help": Was("", "", "Needs no config. Verbs of verbs: help local interrupt."),
}

EVERYWHERE = """* The banner is for terminals alone. The config is read when a verb needs it: `help` works without one.
* `--yes` is the same as `-c`/`--confirm`. Nobody answering a question is an error (exit 1).
* Every list takes `--json` and `--plain`; on a terminal it is a table.
* A wrong verb is answered with what may have been meant; a wrong option ends 2, as ever.
"""
