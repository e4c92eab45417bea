"""put and get against scp -r and rsync: the same files to the same node, by the same way, in turn.

    python benchmarks/copies.py [--big 1000] [--count 5000] [--runs 3]

All three come to the node through the local cloud's ProxyCommand. A verb of ours does more than they do: it asks EC2
where the node is, and compares every file; the last column is a put that finds everything there already.
What was copied is removed before the next one, and every copy is compared by size and number on the other side.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from figures import in_turn, machine, spread, table
from ground import BenchmarkFailed, Ground, ground, load

CLUSTER = "copies"
NODE = f"{CLUSTER}-master"
KB, MB = 1000, 1_000_000
SMALL = 20 * KB


class Copies:
    """The ways to copy one folder or file, each removed again without being counted."""

    def __init__(self, made: Ground, source: Path) -> None:
        self.made, self.source, self.name = made, source, source.name
        self.ssh = made.folder / "ssh-config"
        self.ssh.write_text(self._run("starcluster", "local", "ssh-config").stdout)
        self.facts = self._facts_here(source)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            words, env=self.made.env, cwd=self.made.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchmarkFailed(f"{' '.join(words)} ended {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def on_node(self, command: str) -> str:
        return self._run("ssh", "-F", str(self.ssh), NODE, command).stdout

    def up(self, *words: str) -> Callable[[], float]:
        def run() -> float:
            self.on_node(f"rm -rf /home/{self.name}")
            taken = self._timed(*words)
            there = self.on_node(
                f"cd /home; find {self.name} -type f -printf '%s\\n' | awk '{{n++; s+=$1}} END {{print n, s}}'"
            )
            self._compare(there)
            return taken

        return run

    def down(self, *words: str) -> Callable[[], float]:
        back = self.made.folder / "back"

        def run() -> float:
            shutil.rmtree(back, ignore_errors=True)
            back.mkdir()
            taken = self._timed(*words)
            self._compare(self._facts_here(back / self.name))
            return taken

        return run

    def _timed(self, *words: str) -> float:
        began = time.perf_counter()
        self._run(*words)
        return time.perf_counter() - began

    def _compare(self, there: str) -> None:
        if there.split() != self.facts.split():
            raise BenchmarkFailed(f"{self.facts} were to be copied, {there} were")

    @staticmethod
    def _facts_here(path: Path) -> str:
        files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
        return f"{len(files)} {sum(one.stat().st_size for one in files)}"

    def puts(self) -> dict[str, Callable[[], float]]:
        remote, shell = f"{NODE}:/home/", f"ssh -F {self.ssh}"
        return {
            "ours": self.up("starcluster", "put", CLUSTER, str(self.source), "/home/"),
            "scp": self.up("scp", "-q", "-r", "-F", str(self.ssh), str(self.source), remote),
            "rsync": self.up("rsync", "-a", "-e", shell, str(self.source), remote),
            "start": lambda: self._timed("starcluster", "put", CLUSTER, str(self.ssh), "/home/"),
        }

    def gets(self) -> dict[str, Callable[[], float]]:
        remote, shell, back = f"{NODE}:/home/{self.name}", f"ssh -F {self.ssh}", str(self.made.folder / "back")
        return {
            "ours": self.down("starcluster", "get", CLUSTER, f"/home/{self.name}", back),
            "scp": self.down("scp", "-q", "-r", "-F", str(self.ssh), remote, back),
            "rsync": self.down("rsync", "-a", "-e", shell, remote, back),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--big", type=int, default=1000, help="size of the one big file in MB (0 = leave it out)")
    parser.add_argument("--count", type=int, default=5000, help="how many files of 20 kB (0 = leave them out)")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    began = load()
    rows = [["copy", "ours", "scp -r", "rsync -a", "ours : the better", "a put of what is there"]]
    with ground(speed=30) as made:
        made.starcluster("start", CLUSTER)
        for source in sources(made.folder, options.big, options.count):
            copies = Copies(made, source)
            for verb, ways in (("put", copies.puts()), ("get", copies.gets())):
                rows.append(row(f"{verb} {source.name}", in_turn(options.runs, **ways)))
            copies.on_node(f"rm -rf /home/{source.name}")
    table(f"Wall time, median of {options.runs} (min to max)", rows)
    print(f"\n{machine()}\nat the begin: {began}; at the end: {load()}")


def sources(folder: Path, big: int, count: int) -> list[Path]:
    found = []
    if big:
        path = folder / f"{big}MB"
        with path.open("wb") as file:
            for _ in range(big):
                file.write(os.urandom(MB))
        found.append(path)
    if count:
        path = folder / f"{count}x20kB"
        path.mkdir()
        for number in range(count):
            (path / f"{number:05}").write_bytes(os.urandom(SMALL))
        found.append(path)
    return found


def row(what: str, taken: dict[str, list[float]]) -> list[str]:
    ratios = [mine / min(a, b) for mine, a, b in zip(taken["ours"], taken["scp"], taken["rsync"], strict=True)]
    return [
        what,
        *(spread(taken[name], digits=1) for name in ("ours", "scp", "rsync")),
        f"{statistics.median(ratios):.2f}",
        spread(taken["start"], digits=1) if "start" in taken else "",
    ]


if __name__ == "__main__":
    main()
