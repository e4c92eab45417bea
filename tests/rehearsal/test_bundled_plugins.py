"""The bundled plugins on a cluster, all at once: used by programs that nobody here wrote.

Packages come from registries of the test's own, by `local up --packages`: a Debian package, and wheels of what is
installed here. tmux, MPICH and Xvfb are this machine's, which the nodes see.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from tests.fakes.registry import add_installed, add_thing, serve
from tests.rehearsal.train.conftest import TAG, Scene, started

pytestmark = pytest.mark.long
PROGRAMS = {"mpich2": "mpiexec.hydra", "tmux": "tmux", "xvfb": "Xvfb"}
HERE = [name for name, program in PROGRAMS.items() if shutil.which(program)]
PLUGINS = ["sources", "packages", "pythons", "people", "keys", "ipcluster", *HERE]

SECTIONS = """
[plugin sources]
SETUP_CLASS = sources.OnlyOurs
ADDRESS = {address}

[plugin packages]
SETUP_CLASS = starcluster.plugins.pkginstaller.PackageInstaller
PACKAGES = lctestthing

[plugin wrong]
SETUP_CLASS = starcluster.plugins.pkginstaller.PackageInstaller
PACKAGES = lctestthing, lcnothing

[plugin pythons]
SETUP_CLASS = starcluster.plugins.pypkginstaller.PyPkgInstaller
PACKAGES = lctestthing

[plugin people]
SETUP_CLASS = starcluster.plugins.users.CreateUsers
USERNAMES = linus, tux
DOWNLOAD_KEYS = True

[plugin keys]
SETUP_CLASS = starcluster.plugins.boto.BotoPlugin

[plugin ipcluster]
SETUP_CLASS = starcluster.plugins.ipcluster.IPCluster

[plugin ipstop]
SETUP_CLASS = starcluster.plugins.ipcluster.IPClusterStop

[plugin mpich2]
SETUP_CLASS = starcluster.plugins.mpich2.MPICH2Setup

[plugin tmux]
SETUP_CLASS = starcluster.plugins.tmux.TmuxControlCenter

[plugin xvfb]
SETUP_CLASS = starcluster.plugins.xvfb.XvfbSetup

[plugin queue]
SETUP_CLASS = starcluster.plugins.sge.SGEPlugin
SLOTS_PER_HOST = 2

[cluster queued]
EXTENDS = smallcluster
PLUGINS = queue
"""

# no test fetches anything from elsewhere
SOURCES = """
from starcluster.nodeplugin import NodePlugin


class OnlyOurs(NodePlugin):
    def __init__(self, address):
        self.line = f"deb [trusted=yes] {address}/debian ./"

    def set_up(self, node, user):
        node.ssh.script(
            f"rm -rf /etc/apt/sources.list.d; echo '{self.line}' > /etc/apt/sources.list", what="set the sources"
        )
"""

# A program in MPI without a compiler: the numbers are those of MPICH's mpi.h. It says all before it ends, for MPICH 4.0
# may wait for ever in MPI_Finalize: who has closed its connections answers those no more who close theirs.
REDUCE = """import ctypes, socket
mpi = ctypes.CDLL("libmpich.so.12")
mpi.MPI_Init(None, None)
rank, total = ctypes.c_int(), ctypes.c_int()
mpi.MPI_Comm_rank(0x44000000, ctypes.byref(rank))
mpi.MPI_Allreduce(ctypes.byref(rank), ctypes.byref(total), 1, 0x4C000405, 0x58000003, 0x44000000)
print(socket.gethostname(), total.value, flush=True)
mpi.MPI_Finalize()
"""

ENGINES = """import ipyparallel
client = ipyparallel.Client(timeout=60)
view = client[:]
def where():
    import socket, lctestthing
    return socket.gethostname(), lctestthing.word
print(sorted(set(view.apply_sync(where))))
print(sum(view.map_sync(lambda number: number ** 2, range(100))))
"""

# the beginning of an X11 session, and the size of the first screen
DRAW = """import socket, struct
x = socket.socket(socket.AF_UNIX)
x.connect("/tmp/.X11-unix/X1")
x.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
answer = b""
while len(answer) < 8 or len(answer) < 8 + 4 * struct.unpack("<H", answer[6:8])[0]:
    answer += x.recv(65536)
vendor, formats = struct.unpack("<H", answer[24:26])[0], answer[29]
screen = 40 + (vendor + 3) // 4 * 4 + 8 * formats
print(answer[0], *struct.unpack("<HH", answer[screen + 20 : screen + 24]))
"""


class Bench(Scene):
    def as_user(self, command: str, *, node: str = "master", user: str = "sgeadmin") -> str:
        return self.starcluster("sshnode", TAG, node, "-u", user, command).stdout

    def program(self, name: str, text: str) -> str:
        """The path on the cluster of a program that is the user's."""
        path = self.folder / name
        path.write_text(text)
        self.starcluster("put", "-u", "sgeadmin", TAG, str(path), "/home/sgeadmin/")
        return f"/home/sgeadmin/{name}"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("scene"), speed=100)
    registry = tmp_path_factory.mktemp("registry")
    add_thing(registry)
    add_installed(registry, "ipyparallel")
    with serve(registry) as address:
        made.env = {name: value for name, value in made.env.items() if not name.startswith("PIP_")}
        made.env.update(PIP_INDEX_URL=f"{address}/simple", PIP_CONFIG_FILE=os.devnull)
        folder = made.config.parent / "plugins"
        folder.mkdir()
        (folder / "sources.py").write_text(SOURCES)
        settings = f"CLUSTER_SIZE = 2\nPLUGINS = {', '.join(PLUGINS)}"
        text = made.config.read_text().replace("CLUSTER_SIZE = 1", settings, 1)
        made.config.write_text(text + SECTIONS.format(address=address))
        made.starcluster("local", "up", "--packages")
        with started(made):
            yield made


def test_packages_are_installed_on_all_nodes(scene: Bench) -> None:
    for node in ("master", "node001"):
        assert scene.as_user("cat /usr/share/lctestthing/word", node=node) == "installed\n"
        told = scene.as_user("bash -lc 'python -c \"import lctestthing; print(lctestthing.word)\"'", node=node)
        assert told == "installed\n"
    assert not Path("/usr/share/lctestthing").exists()


def test_a_package_that_can_not_be_had_is_named(scene: Bench) -> None:
    told = scene.starcluster("runplugin", "wrong", TAG, expect=1).stderr
    assert "could not be installed on node001: lcnothing (E: Unable to locate package lcnothing)" in told


def test_users_go_between_the_nodes_and_come_in_with_their_keys(scene: Bench, tmp_path: Path) -> None:
    numbers = scene.as_user("id -u; ssh node001 'id -u; hostname; touch ~/was-here'; ls", user="tux").split()
    assert numbers[0] == numbers[1]
    assert numbers[2:] == ["node001", "was-here"]
    archive = scene.config.parent / "user_keys" / f"{TAG}-us-east-1.tar.gz"
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "config").write_text(scene.starcluster("local", "ssh-config").stdout)
    for user in ("linus", "tux"):
        key = str(tmp_path / f"{user}.rsa")
        words = [
            "ssh",
            "-F",
            str(tmp_path / "config"),
            "-i",
            key,
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            f"IdentityFile={key}",
        ]
        assert scene.run(*words, "-l", user, f"{TAG}-node001", "id -un").stdout == f"{user}\n"


def test_keys_are_the_users_own_and_in_no_log(scene: Bench, tmp_path: Path) -> None:
    assert scene.as_user("stat -c '%a %U' ~/.aws/credentials") == "600 sgeadmin\n"
    parser = configparser.ConfigParser()
    parser.read_string(scene.as_user("cat ~/.aws/credentials"))
    keys = dict(parser["default"])
    sts = boto3.client(
        "sts",
        endpoint_url=scene.facts["endpoint"],
        region_name=keys.pop("region"),
        config=Config(proxies={}),
        **keys,
    )
    assert sts.get_caller_identity()["Account"]
    logs = [path.read_text() for path in (scene.config.parent / "logs").iterdir()]
    assert not [one for one in logs if keys["aws_secret_access_key"] in one]


@pytest.fixture
def _engines(scene: Bench) -> None:
    """They run, also where a test has ended them."""
    if not scene.as_user("pgrep -f 'ipyparalle[l]' || true"):
        scene.starcluster("runplugin", "ipcluster", TAG)


@pytest.mark.usefixtures("_engines")
def test_engines_of_both_nodes_compute(scene: Bench) -> None:
    program = scene.program("engines.py", ENGINES)
    told = scene.as_user(f"bash -lc 'python {program}'").splitlines()
    assert told == ["[('master', 'installed'), ('node001', 'installed')]", str(sum(n * n for n in range(100)))]
    path = scene.config.parent / "ipcluster" / f"{TAG}-us-east-1.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["ssh"] == f"sgeadmin@{TAG}-master"
    asked = "import socket; print(sorted(set(rc[:].apply_sync(socket.gethostname))))"
    assert scene.starcluster("shell", "-p", TAG, input=asked).stdout == "['master', 'node001']\n"


@pytest.mark.skipif("mpich2" not in HERE, reason="MPICH is no Python package")
def test_mpi_over_both_nodes(scene: Bench) -> None:
    program = scene.program("reduce.py", REDUCE)
    run = f"timeout 20 mpirun -n 2 -ppn 1 python3 {program} || [ $? = 124 ]"
    told = scene.as_user(f"bash -lc '{run}'")
    assert sorted(re.findall(r"^(\w+) (\d+)$", told, re.M)) == [("master", "1"), ("node001", "1")]
    processors = scene.on_master("nproc").strip()
    assert scene.on_master("cat /home/mpich2.hosts") == f"master:{processors}\nnode001:{processors}\n"


@pytest.mark.skipif("tmux" not in HERE, reason="tmux is no Python package")
def test_a_window_on_each_node(scene: Bench) -> None:
    names = scene.as_user("tmux list-windows -t starcluster -F '#{window_name}'").split()
    assert names == ["all", "master", "node001"]
    write = "tmux send-keys -t starcluster:node001 'hostname > told' Enter"
    wait = "for turn in $(seq 50); do [ ! -s told ] || break; sleep 0.1; done"
    assert scene.as_user(f"{write}; {wait}; cat told") == "node001\n"
    assert scene.on_master("tmux list-windows -t starcluster | wc -l") == "3\n"


@pytest.mark.skipif("xvfb" not in HERE, reason="Xvfb is no Python package")
def test_a_screen_on_each_node(scene: Bench) -> None:
    program = scene.program("draw.py", DRAW)
    for node in ("master", "node001"):
        assert scene.as_user(f"python3 {program}", node=node) == "1 1280 1024\n"
        assert scene.as_user("bash -lc 'echo $DISPLAY'", node=node) == ":1\n"


def test_what_is_not_there_is_told_before_anything_is_launched(scene: Bench) -> None:
    done = scene.starcluster("start", "-c", "queued", "other", expect=1)
    assert "the plugin sge is not there yet" in done.stderr
    assert "other" not in scene.starcluster("listclusters").stdout


def state(scene: Bench) -> str:
    """What the plugins have made, by content; and what runs."""
    files = "/etc/passwd /etc/profile.d /home/*.hosts /home/*/.ssh /home/sgeadmin/.aws /usr/share/lctestthing"
    look = f"cd /; find {files} -type f 2>/dev/null | sort | xargs sha256sum; pgrep -fa 'Xvf[b]|ipyparalle[l]' | sort"
    return scene.on_master(look) + scene.as_user(look, node="node001", user="root")


@pytest.mark.usefixtures("_engines")
def test_twice_is_as_good_as_once(scene: Bench) -> None:
    before = state(scene)
    for plugin in PLUGINS:
        scene.starcluster("runplugin", plugin, TAG)
    assert state(scene) == before
    if "tmux" in HERE:
        assert scene.on_master("tmux list-windows -t starcluster | wc -l") == "3\n"


@pytest.mark.usefixtures("_engines")
def test_a_node_that_comes_and_goes(scene: Bench) -> None:
    program = scene.program("engines.py", ENGINES)
    scene.starcluster("addnode", TAG)
    assert scene.as_user("cat /usr/share/lctestthing/word", node="node002") == "installed\n"
    assert scene.as_user("ssh node002 hostname", user="linus") == "node002\n"
    assert "('node002', 'installed')" in scene.as_user(f"bash -lc 'python {program}'")
    if "mpich2" in HERE:
        assert "node002:" in scene.on_master("cat /home/mpich2.hosts")
    if "tmux" in HERE:
        assert "node002" in scene.on_master("tmux list-windows -t starcluster")
    scene.starcluster("removenode", "--confirm", TAG, "node002")
    if "mpich2" in HERE:
        assert "node002" not in scene.on_master("cat /home/mpich2.hosts")
    if "tmux" in HERE:
        assert "node002" not in scene.on_master("tmux list-windows -t starcluster")


def test_the_engines_end_when_they_are_told(scene: Bench) -> None:
    scene.starcluster("runplugin", "ipstop", TAG)
    for node in ("master", "node001"):
        assert scene.as_user("pgrep -fa 'ipyparalle[l]' || true", node=node) == ""
    assert not (scene.config.parent / "ipcluster" / f"{TAG}-us-east-1.json").exists()
