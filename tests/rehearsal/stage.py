"""A stage for rehearsals: an own HOME, an own local cloud, and the commands as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests import calls_seen
from tests.leftovers import hold_namespaces, left_of

_CAP_SYS_RESOURCE = 24
ROOT = Path(__file__).parents[2]
COMMAND_LIMIT = 120.0
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")  # however the tests end; a driver waits for a cloud that is gone


class Stage:
    """`run` waits for a command, `start` does not; all of them see one cloud and one home."""

    def __init__(self, folder: Path, *, speed: int = 100) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.cloud = self.home / ".starcluster" / "local"
        self.config = self.home / ".starcluster" / "config"
        self.config.parent.mkdir(parents=True)
        shutil.copy(ROOT / "config.example", self.config)
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STARCLUSTER_"))}
        self.env.update(
            HOME=str(self.home),
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            STARCLUSTER_HOME=str(self.config.parent),
            STARCLUSTER_LOCAL=str(self.cloud),
            STARCLUSTER_LOCAL_OWNER=str(os.getpid()),
            STARCLUSTER_LOCAL_SPEED=str(speed),
            PYTHONUNBUFFERED="1",
            COLUMNS="200",
        )
        self._started: list[subprocess.Popen[str]] = []

    def run(self, *words: str, expect: int | None = 0, limit: float = COMMAND_LIMIT, **more: Any) -> Done:
        """Run to the end; with `expect` (an exit status, None for any) another status is an error with all output."""
        result = subprocess.run(
            (*DIES_WITH_US, *words),
            env=more.pop("with_env", self.env),
            cwd=more.pop("cwd", self.folder),
            capture_output=True,
            text=True,
            timeout=limit,
            **more,
        )
        if expect is not None and result.returncode != expect:
            raise AssertionError(
                f"{' '.join(words)} ended {result.returncode}, not {expect}\n{result.stdout}\n{result.stderr}"
            )
        return result

    def starcluster(self, *words: str, **more: Any) -> Done:
        return self.run("starcluster", *words, **more)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """Start in the background; killed at the end of the test if it still runs."""
        process = subprocess.Popen(
            (*DIES_WITH_US, *words),
            env=self.env,
            cwd=more.pop("cwd", self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )
        self._started.append(process)
        return process

    def train(self, *words: str) -> subprocess.Popen[str]:
        return self.start(sys.executable, str(ROOT / "aws_train.py"), *words)

    def use_volume(self) -> None:
        """What the tutorial does with sed: the cluster's VOLUMES setting becomes live."""
        text = self.config.read_text()
        if "#VOLUMES = home" not in text:
            raise AssertionError("config.example has no '#VOLUMES = home' to uncomment")
        self.config.write_text(text.replace("#VOLUMES = home", "VOLUMES = home"))

    def status(self) -> dict[str, Any]:
        return json.loads(self.starcluster("local", "status", "--json").stdout)

    def client_env(self) -> dict[str, str]:
        """The environment that `starcluster local env` prints, for foreign clients."""
        exports = self.starcluster("local", "env").stdout
        shown = self.run("bash", "-c", f"{exports}\nenv -0").stdout
        return dict(pair.split("=", 1) for pair in shown.split("\0") if "=" in pair)

    def close(self) -> None:
        """End everything; raises AssertionError with what is left of the cloud on this machine."""
        for process in self._started:
            process.kill()
            process.wait()
        held = hold_namespaces(self.cloud)
        calls_seen.hand_in(self.cloud / "log" / "calls.jsonl")
        self.run("starcluster", "local", "down", "--delete", expect=None)
        left = left_of(self.cloud, held)
        if left:
            raise AssertionError("the local cloud left behind:\n" + "\n".join(left))


def may_grow_ext4() -> bool:
    """Whether the kernel lets a mounted ext4 grow here: a container may lack that capability."""
    lines = Path("/proc/self/status").read_text().splitlines()
    mask = int(next(line for line in lines if line.startswith("CapBnd")).split()[1], 16)
    return bool(mask >> _CAP_SYS_RESOURCE & 1)


def foreign_ec2(env: Mapping[str, str]) -> Any:
    """EC2 by boto3 alone, which goes by what `starcluster local env` printed."""
    return boto3.client(
        "ec2",
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=Config(proxies={}),
    )


Done = subprocess.CompletedProcess[str]
