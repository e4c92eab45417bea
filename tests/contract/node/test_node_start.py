"""User data acted on in a node: users, keys, files, scripts, and what the console and `cloud-init status` tell."""

import base64
import gzip
import subprocess

import pytest

from tests.contract.node.standin_node import Node

MIXED = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="bound"

--bound
Content-Type: text/cloud-config

{config}
--bound
Content-Type: text/x-shellscript; charset="utf-8"
Content-Disposition: attachment; filename="zz.sh"
Content-Transfer-Encoding: base64

{script}
--bound--
"""
OPEN = b"#cloud-config\ndisable_root: false\n"


def status(node: Node) -> tuple[int, str]:
    result = node.ssh("cloud-init status --wait --long")
    return result.returncode, result.stdout.decode()


def test_a_stock_image_lets_its_own_user_in_and_tells_root_so(fresh: Node) -> None:
    fresh.boot()
    assert fresh.out("id -un; id -u", user="ubuntu") == "ubuntu\n1000"
    result = fresh.ssh("id", user="root")
    assert result.returncode == 142
    assert b"log in as the user ubuntu" in result.stdout
    assert fresh.ssh("", "-W", "127.0.0.1:22", user="root").returncode != 0


def test_root_is_let_in_where_the_user_data_says_so(fresh: Node) -> None:
    fresh.boot(OPEN)
    assert fresh.out("id -un") == "root"
    assert status(fresh)[0] == 0


def test_multipart_with_a_config_and_a_script_packed(fresh: Node) -> None:
    config = "\n".join(
        [
            "disable_root: false",
            "hostname: renamed",
            "users: [default, {name: carol, uid: 4004, shell: /bin/sh, groups: 'staff,rowers', gecos: A person}]",
            "write_files:",
            "- {path: /etc/made/one, content: aGVsbG8=, encoding: b64, permissions: '0640', owner: 'root:staff'}",
            "- {path: /etc/made/one, content: ' again', append: true, permissions: '0640'}",
            "- {path: /home/late, content: x, owner: 'carol:carol', defer: true}",
            "runcmd: ['echo runcmd >> /home/order; test -e /home/late && echo late >> /home/order', [echo, \"it's\"]]",
            "packages: [no-such-package-at-all]",
            "final_message: all is done",
        ]
    )
    script = base64.b64encode(gzip.compress(b"#!/bin/bash\necho script $INSTANCE_ID >> /home/order\n")).decode()
    fresh.boot(gzip.compress(MIXED.format(config=config, script=script).encode()), instance_id="i-77")
    code, text = status(fresh)
    assert (code, "no-such-package-at-all" in text) == (2, True)
    assert fresh.out("hostname; cat /etc/hostname") == "renamed\nrenamed"
    assert fresh.out("id -u carol; id -nG carol; getent passwd carol | cut -d: -f5,7") == (
        "4004\ncarol staff rowers\nA person:/bin/sh"
    )
    assert fresh.out("cat /etc/made/one; stat -c ' %a %G' /etc/made/one") == "hello again 640 root"
    assert fresh.out("stat -c %U /home/late; cat /home/order") == "carol\nruncmd\nlate\nscript i-77"
    assert "it's" in fresh.console
    assert "all is done" in fresh.console


def test_a_bare_script_that_fails_is_told(fresh: Node) -> None:
    fresh.boot(b"#!/bin/sh\ncp -r /home/ubuntu/.ssh /root/; chown -R root: /root/.ssh\necho about to fail\nexit 3\n")
    fresh.wait_for_file("var/lib/cloud/instance/boot-finished")
    code, text = status(fresh)
    assert code == 1
    assert "part-001 ended with 3" in text
    assert "about to fail" in fresh.console


def test_what_is_not_understood_is_told_and_the_node_comes_up(fresh: Node) -> None:
    fresh.boot(OPEN + b"frobnicate: 1\nwrite_files: [{path: /proc/nonsense/x, content: y}, 17]\nusers: {a: b}\n")
    code, text = status(fresh)
    assert code == 1
    assert "frobnicate" in text
    assert "WARNING: cloud-config: frobnicate" in fresh.console


NONSENSE = [b"\x00\x01\x02", b"#include\nhttp://x/\n", b"#cloud-config\n\ta: [\n", b"\x1f\x8bbroken"]


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_keeps_no_node_from_coming_up(fresh: Node, data: bytes) -> None:
    fresh.boot(data)
    assert fresh.out("id -un", user="ubuntu") == "ubuntu"
    assert "WARNING" in fresh.console


def test_the_console_shows_the_key_that_the_node_has(fresh: Node) -> None:
    fresh.boot(OPEN)
    told = fresh.console.split("-----BEGIN SSH HOST KEY KEYS-----\n")[1].split("\n-----END")[0]
    kind, key, _ = told.split()
    fresh.ssh("true")
    assert f"{kind} {key}" in (fresh.folder / "known_hosts").read_text()
    print_ = subprocess.run(
        ["ssh-keygen", "-lf", fresh.root / "etc/ssh/ssh_host_ed25519_key.pub"], capture_output=True, check=True
    )
    assert print_.stdout.decode().split()[1] in fresh.console


def test_host_keys_may_be_given(fresh: Node) -> None:
    for kind in ("ed25519", "ecdsa"):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", fresh.folder / kind], check=True)
    lines = ["ssh_keys:"]
    for kind in ("ed25519", "ecdsa"):
        private = (fresh.folder / kind).read_text().replace("\n", "\n    ")
        lines.append(f"  {kind}_private: |\n    {private}")
    public = (fresh.folder / "ed25519.pub").read_text().strip()
    lines.append(f"  ed25519_public: {public}")
    fresh.boot(OPEN + "\n".join(lines).encode())
    (fresh.folder / "known_hosts").write_text(f"{fresh.folder.name} {public}\n")
    assert fresh.ssh("true", "-o", "StrictHostKeyChecking=yes").returncode == 0
    assert fresh.out("stat -c %a /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ecdsa_key") == "600\n600"
    ecdsa = " ".join((fresh.folder / "ecdsa.pub").read_text().split()[:2])
    assert ecdsa in fresh.console


def test_user_data_is_kept_private_and_the_log_is_there(fresh: Node) -> None:
    fresh.boot(OPEN)
    assert fresh.out("cat /var/lib/cloud/instance/user-data.txt") == OPEN.decode().strip()
    assert fresh.out("stat -c %a /var/lib/cloud/instance/user-data.txt") == "600"
    assert "i-1" in fresh.out("cat /var/log/cloud-init-output.log")


def test_scripts_may_leave_something_running(fresh: Node) -> None:
    fresh.boot(OPEN + b"runcmd: ['setsid sleep 300 & echo $! > /home/pid']\n")
    assert status(fresh)[0] == 0
    assert fresh.out("ps -o comm= -p $(cat /home/pid)") == "sleep"


def test_fstab_is_mounted_at_each_boot(fresh: Node) -> None:
    fresh.boot(OPEN + b"mounts: [[tmpfs, /mnt/scratch, tmpfs, 'size=1m']]\n")
    assert fresh.out("stat -f -c %T /mnt/scratch") == "tmpfs"
