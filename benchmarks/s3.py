"""s3sync against `aws s3 sync`: one gibibyte in 1 and in 5,000 files, up and down, on the local cloud's S3.

    .venv/bin/python benchmarks/s3.py [--mib 1024] [--files 5000] [--rounds 3]

Both are started as programs, from nothing to the end of the transfer, in turn and in one run. s3sync also hashes
every file, compares it after the download and writes a manifest; `aws s3 sync` compares sizes and times. The server is
the local cloud on this same machine, so that the figures say how much the clients cost, not how fast S3 is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from figures import machine, spread, table

from starcluster.localcloud import control

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[1]
BUCKET = "bench"
BLOCK = 1 << 20


@contextmanager
def cloud(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of clients of a local cloud that ends with the benchmark."""
    facts = control.up(folder / "cloud", owner_pid=os.getpid())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STARCLUSTER_"))}
    try:
        yield {
            **kept,
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": facts["endpoint"],
            "AWS_ENDPOINT_URL_S3": facts["endpoint"],
            "AWS_ACCESS_KEY_ID": facts["access_key"],
            "AWS_SECRET_ACCESS_KEY": facts["secret_key"],
            "AWS_REGION": facts["region"],
            "AWS_DEFAULT_REGION": facts["region"],
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }
    finally:
        control.down(folder / "cloud", delete=True)


def fill(folder: Path, *, mib: int, files: int) -> None:
    """So much of chance, in files of one size."""
    size = mib * BLOCK // files
    for number in range(files):
        place = folder / f"{number % 50:02d}" / f"{number}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as out:
            for start in range(0, size, BLOCK):
                out.write(os.urandom(min(BLOCK, size - start)))


class Clients:
    """The two of them, as (up, down) for a folder, a prefix and an empty target."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def aws(self, source: str, target: str) -> None:
        self._run([str(BIN / "aws"), "s3", "sync", source, target, "--only-show-errors"])

    def s3sync(self, verb: str, folder: Path, prefix: str) -> None:
        settings = {"name": "bench", "bucket": BUCKET, "prefix": prefix, "path": str(folder), "keep": 1}
        words = [sys.executable, "-m", "starcluster.s3sync.main", verb, "--stdin"]
        told = json.loads(self._run(words, json.dumps({**settings, "region": self._env["AWS_REGION"]})))
        if not told["ok"]:
            raise SystemExit(f"s3sync: {told['error']}")

    def _run(self, words: list[str], data: str = "") -> str:
        done = subprocess.run(words, env=self._env, input=data, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout


def timed(act: Callable[[], Any]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def measure(clients: Clients, source: Path, folder: Path, label: str) -> dict[tuple[str, str], float]:
    """One round: each client up, then down into an empty folder."""
    found = {}
    place, prefix, target = f"s3://{BUCKET}/{label}/aws", f"{label}/s3sync", folder / "target"
    for name, act in (
        (("up", "aws s3 sync"), lambda: clients.aws(str(source), place)),
        (("up", "s3sync"), lambda: clients.s3sync("push", source, prefix)),
        (("down", "aws s3 sync"), lambda: clients.aws(place, str(target))),
        (("down", "s3sync"), lambda: clients.s3sync("restore", target, prefix)),
    ):
        shutil.rmtree(target, ignore_errors=True)
        os.sync()
        found[name] = timed(act)
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(source / ".s3sync", ignore_errors=True)
    clients._run([str(BIN / "aws"), "s3", "rm", f"s3://{BUCKET}/", "--recursive", "--only-show-errors"])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="starcluster-s3-"))
    print(f"load before: {os.getloadavg()[0]:.1f}")
    try:
        with cloud(folder) as env:
            clients = Clients(env)
            clients._run([str(BIN / "aws"), "s3", "mb", f"s3://{BUCKET}"])
            rows = [["what", "way", "client", f"median of {options.rounds} (min to max)"]]
            for files in (1, options.files):
                source = folder / f"source-{files}"
                fill(source, mib=options.mib, files=files)
                rounds = [measure(clients, source, folder, f"{files}-{one}") for one in range(options.rounds)]
                for way, client in rounds[0]:
                    seconds = [one[way, client] for one in rounds]
                    rows.append([f"{options.mib} MiB in {files}", way, client, spread(seconds)])
                shutil.rmtree(source)
            table(f"s3sync against aws s3 sync ({machine()})", rows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
