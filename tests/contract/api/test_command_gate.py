"""Orders about commands on nodes, on a real cloud whose processes and nodes come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

from starcluster.localcloud import control
from starcluster.localcloud.places import Places
from tests.contract.api.conftest import RealCloud, until

Result = CompletedProcess[str]
BOOT = "cat /proc/sys/kernel/random/boot_id"


def parked(cloud: RealCloud) -> bool:
    return any(each["parked"] for each in cloud.call("holds")["holds"])


def held(cloud: RealCloud, node: str, meanwhile: Callable[[], object]) -> Result:
    """What a held command answers; `meanwhile` is done when it waits, and lets it go."""
    cloud.on(node, "rm -f /run/held")
    cloud.call("hold", command="tee /run/held", given="order")
    with ThreadPoolExecutor(1) as pool:
        answer: Future[Result] = pool.submit(cloud.ssh, node, "tee /run/held", input="an order")
        until(lambda: parked(cloud))
        assert cloud.on(node, "cat /run/held 2>/dev/null; true") == ""
        meanwhile()
        return answer.result(30)


def test_a_command_is_held_on_a_node_and_noted(cloud: RealCloud) -> None:
    node = cloud.run()
    cloud.wait(node, "running")
    cloud.on(node, "true")
    last = cloud.call("log")["entries"][-1]["number"]
    done = held(cloud, node, lambda: cloud.call("clear"))
    assert (done.returncode, done.stdout) == (0, "an order")
    noted = [each for each in cloud.call("log", after=last)["entries"] if each["kind"] == "command"]
    assert [(each["ids"], each["command"], each["given"]) for each in noted] == [([node], "tee /run/held", "an order")]
    assert not Places(cloud.folder).gate_socket.exists()


def test_a_rebooted_node_and_a_new_agent_change_nothing(cloud: RealCloud) -> None:
    node = cloud.run()
    cloud.wait(node, "running")
    boot = cloud.on(node, BOOT)
    os.kill(cloud.facts["agent_pid"], signal.SIGKILL)
    until(lambda: cloud.ssh(node, "true").returncode == 0)
    assert held(cloud, node, lambda: cloud.call("clear")).stdout == "an order"
    cloud.client().reboot_instances(InstanceIds=[node])
    until(lambda: cloud.ssh(node, BOOT).stdout.strip() not in ("", boot))
    assert held(cloud, node, lambda: cloud.call("clear")).stdout == "an order"


def test_with_the_daemon_its_orders_are_gone_and_all_goes_on(cloud: RealCloud) -> None:
    node = cloud.run()
    cloud.wait(node, "running")
    cloud.on(node, "true")
    assert held(cloud, node, lambda: os.kill(cloud.facts["pid"], signal.SIGKILL)).stdout == "an order"
    assert Places(cloud.folder).gate_socket.exists()  # which hinders nobody
    until(lambda: control.status(cloud.folder) is None)
    control.up(cloud.folder, owner_pid=os.getpid())
    assert not Places(cloud.folder).gate_socket.exists()
    assert held(cloud, node, lambda: cloud.call("release")).stdout == "an order"


def test_nobody_but_root_can_ask_the_gate(cloud: RealCloud) -> None:
    node = cloud.run()
    cloud.wait(node, "running")
    cloud.on(node, "true")
    cloud.call("watch", command="nobody runs this")
    socket = Path("/run/localcloud/gate/command.sock")
    dial = f"import socket; socket.socket(socket.AF_UNIX).connect('{socket}')"
    refused = cloud.ssh(node, f'su ubuntu -c "python3 -c \\"{dial}\\""')
    assert "PermissionError" in refused.stderr
    assert "Read-only file system" in cloud.ssh(node, f"rm {socket}").stderr
    cloud.call("clear")
    assert cloud.ssh(node, f"test -e {socket}").returncode == 1
