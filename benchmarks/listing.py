"""How long verbs take to start, with and without a word from EC2; what `listclusters` keeps in memory for many nodes.

    python benchmarks/listing.py [--nodes 1,50,500] [--clusters 1,50] [--runs 7]

EC2 is played by a server in this process that knows three calls and answers at once, so what is measured is our own
part. Every number of nodes is shown in one cluster and spread over many; calls are counted by the server.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from figures import in_turn, machine, seconds_of, spread, table
from ground import load

from starcluster.cluster.record import CLUSTER, ClusterRecord, to_tags

BIN = Path(sys.executable).parent
MIB = 1 << 20
GROUP = (
    "<item><ownerId>123456789012</ownerId><groupId>sg-{n:017x}</groupId><groupName>@sc-c{n}</groupName><vpcId>vpc-1</vpcId>"
    "<tagSet>{tags}</tagSet></item>"
)
INSTANCE = (
    "<item><instanceId>i-{n:017x}</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name>"
    "</instanceState><privateDnsName>ip-10-0-0-1.ec2.internal</privateDnsName><dnsName>ec2-{n}.compute-1.amazonaws.com"
    "</dnsName><keyName>mykey</keyName><instanceType>c5.large</instanceType><launchTime>2026-11-29T00:00:00.000Z"
    "</launchTime><placement><availabilityZone>us-east-1a</availabilityZone></placement><subnetId>subnet-1</subnetId>"
    "<vpcId>vpc-1</vpcId><rootDeviceName>/dev/sda1</rootDeviceName><groupSet><item><groupId>sg-{c:017x}</groupId>"
    "<groupName>@sc-c{c}</groupName></item></groupSet><tagSet><item><key>@sc-cluster</key><value>c{c}</value></item>"
    "<item><key>alias</key><value>{alias}</value></item><item><key>Name</key><value>{alias}</value></item></tagSet></item>"
)


@dataclass(frozen=True, kw_only=True)
class World:
    """So many nodes, dealt to so many clusters."""

    nodes: int
    clusters: int

    def answer(self, action: str) -> str:
        if action == "DescribeSecurityGroups":
            inner = "".join(self._groups())
            return f"<securityGroupInfo>{inner}</securityGroupInfo>"
        if action == "DescribeInstances":
            inner = "".join(self._instances())
            return f"<reservationSet><item><instancesSet>{inner}</instancesSet></item></reservationSet>"
        return "<spotInstanceRequestSet/>"

    def _groups(self) -> Iterator[str]:
        record = to_tags(ClusterRecord(keyname="mykey"))
        for number in range(self.clusters):
            tags = {**record, CLUSTER: f"c{number}"}
            items = "".join(f"<item><key>{key}</key><value>{value}</value></item>" for key, value in tags.items())
            yield GROUP.format(n=number, tags=items)

    def _instances(self) -> Iterator[str]:
        for number in range(self.nodes):
            place, cluster = divmod(number, self.clusters)
            yield INSTANCE.format(n=number, c=cluster, alias=f"node{place:03}" if place else "master")


class Ec2:
    """EC2 as far as listclusters asks it; `calls` counts."""

    def __init__(self) -> None:
        self.world = World(nodes=0, clusters=0)
        self.calls: Counter[str] = Counter()
        ec2 = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                action = asked["Action"][0]
                ec2.calls[action] += 1
                space = "http://ec2.amazonaws.com/doc/2016-11-15/"
                body = f'<{action}Response xmlns="{space}">{ec2.world.answer(action)}</{action}Response>'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])


@dataclass(frozen=True, kw_only=True)
class Listed:
    seconds: float
    peak: int
    calls: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", default="1,50,500")
    parser.add_argument("--clusters", default="1,50")
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    began = load()
    with home() as (folder, env, ec2):
        starts(env, options.runs)
        rows = [["nodes", "clusters", "wall", "peak memory", "calls of EC2"]]
        for nodes in numbers(options.nodes):
            for clusters in sorted({min(one, nodes) for one in numbers(options.clusters)}):
                ec2.world = World(nodes=nodes, clusters=clusters)
                taken = [listed(folder, env, ec2) for _ in range(options.runs)]
                seconds = spread([one.seconds for one in taken])
                peak = spread([one.peak / MIB for one in taken], unit="MiB", digits=0)
                rows.append([str(nodes), str(clusters), seconds, peak, str(taken[-1].calls)])
        table(f"listclusters, median of {options.runs} (min to max)", rows)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one]


@contextmanager
def home() -> Iterator[tuple[Path, dict[str, str], Ec2]]:
    """An own HOME whose config leads to our EC2."""
    ec2 = Ec2()
    with tempfile.TemporaryDirectory(prefix="starcluster-benchmark-") as name:
        folder = Path(name)
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "STARCLUSTER_"))}
        env |= {"HOME": name, "STARCLUSTER_HOME": name, "AWS_EC2_METADATA_DISABLED": "true"}
        lines = [
            "[global]", "[aws info]", "AWS_ACCESS_KEY_ID = x", "AWS_SECRET_ACCESS_KEY = y",
            "AWS_REGION_NAME = us-east-1", "AWS_REGION_HOST = 127.0.0.1",
            f"AWS_PORT = {ec2.port}", "AWS_IS_SECURE = False",
        ]  # fmt: skip
        (folder / "config").write_text("\n".join(lines) + "\n")
        (folder / "config").chmod(0o600)
        yield folder, env, ec2
        ec2.server.shutdown()


def starts(env: dict[str, str], runs: int) -> None:
    words = {"--help": ["--help"], "start --help": ["start", "--help"], "listclusters": ["listclusters"]}

    def run(given: list[str]) -> Callable[[], float]:
        return lambda: seconds_of([str(BIN / "starcluster"), *given], env)

    taken = in_turn(
        runs,
        python=lambda: seconds_of([sys.executable, "-c", "pass"], env),
        **{name: run(given) for name, given in words.items()},
    )
    rows = [["command", "wall", "asks EC2"]]
    rows += [[name, spread(values), "yes" if name == "listclusters" else "no"] for name, values in taken.items()]
    table(f"From the start to the end of a verb, median of {runs} (min to max)", rows)


def listed(folder: Path, env: dict[str, str], ec2: Ec2) -> Listed:
    """One run that must show all nodes."""
    ec2.calls.clear()
    began = time.perf_counter()
    words: Sequence[str] = [str(BIN / "starcluster"), "listclusters", "--plain"]
    with open(folder / "output", "w+") as output:
        actions = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1)]
        pid = os.posix_spawn(words[0], words, env, file_actions=actions)
        _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"listclusters ended {os.waitstatus_to_exitcode(status)}")
    shown = sum(int(line.split()[-1]) for line in (folder / "output").read_text().splitlines() if "Total nodes" in line)
    if shown != ec2.world.nodes:
        raise SystemExit(f"{shown} nodes were shown of {ec2.world.nodes}")
    return Listed(seconds=time.perf_counter() - began, peak=used.ru_maxrss * 1024, calls=ec2.calls.total())


if __name__ == "__main__":
    main()
