"""The whole job on a local cloud: what README's tutorial types, with an interruption, and the proof of the resume.

Runs in a folder of its own under /tmp with an own HOME; nothing of the user's is read or written. Ends 0 only if the
training was resumed from the checkpoint taken on the notice, no step was executed twice, and the final weights are
those of a run that was never interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEPS, PACE = 1500, 0.02
INTERRUPT_AT = STEPS // 3
DRIVER_LIMIT = 170.0


TOLD = {
    "request": "request: {market} {instance_type} in {zone} (generation {generation})",
    "running": "running: {instance}",
    "ssh-up": "ssh up",
    "mounted": "/home mounted",
    "started": "command started: attempt {attempt}",
    "first-progress": "at step {step} of {total}",
    "notice": "notice: EC2 takes {instance}",
    "command-ended": "checkpoint written, command ended",
    "drained": "disks flushed",
    "gone": "gone: {instance}",
    "outcome": "{state}",
    "released": "released: {instance}",
}


class Facts(dict[str, object]):
    """An event's facts; one that it does not have shows as '?'."""

    def __missing__(self, key: str) -> str:
        return "?"


class DemoFailed(Exception):
    """Something did not come out as it must."""


def check(true: bool, what: str) -> None:
    if not true:
        raise DemoFailed(what)
    print(f"  proved: {what}", flush=True)


class Demo:
    def __init__(self, folder: Path, speed: float) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.began = time.monotonic()
        self.state = self.home / ".starcluster"
        self.state.mkdir(parents=True)
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STARCLUSTER_"))}
        self.env = {
            **keep,
            "HOME": str(self.home),
            "STARCLUSTER_LOCAL_SPEED": str(speed),
            "STARCLUSTER_LOCAL_OWNER": str(os.getpid()),
            "PYTHONUNBUFFERED": "1",
        }

    def elapsed(self) -> str:
        return f"{time.monotonic() - self.began:6.1f} s"

    def run(self, *words: str) -> str:
        """Type a command; what it prints is shown, indented. Another status than 0 ends the demo."""
        print(f"\n{self.elapsed()}  $ {shlex.join(words)}", flush=True)
        done = subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True)
        lines = (done.stdout + (done.stderr if done.returncode else "")).splitlines()
        for line in lines:
            print(f"            {line}")
        if done.returncode:
            raise DemoFailed(f"'{' '.join(words)}' ended {done.returncode}")
        return done.stdout

    def prepare(self) -> None:
        shutil.copy(ROOT / "config.example", self.state / "config")
        shutil.copytree(ROOT / "examples" / "digits", self.folder / "digits", ignore=shutil.ignore_patterns("out"))
        text = (ROOT / "train_example.cfg").read_text()
        changed = re.sub(r"--steps \d+( --pace [\d.]+)?", f"--steps {STEPS} --pace {PACE}", text, count=1)
        if changed == text:
            raise DemoFailed("train_example.cfg has no '--steps N' to turn down")
        (self.folder / "train.cfg").write_text(changed)

    def build(self) -> None:
        self.run("starcluster", "createvolume", "--name", "home", "1", "us-east-1a")
        config = self.state / "config"
        config.write_text(config.read_text().replace("#VOLUMES = home", "VOLUMES = home"))
        print(f"{self.elapsed()}  (config: VOLUMES = home)")
        self.run("starcluster", "start", "mycluster")
        self.run("starcluster", "put", "mycluster", "digits", "/home")

    def train(self) -> str:
        """Run the driver, interrupt its node once when a third is done; returns what the driver printed."""
        words = [sys.executable, str(ROOT / "aws_train.py"), "mynode"]
        print(f"\n{self.elapsed()}  $ python aws_train.py mynode", flush=True)
        driver = subprocess.Popen(
            words, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        stopper = threading.Timer(DRIVER_LIMIT, driver.kill)
        stopper.start()
        meddler = threading.Thread(target=self._interrupt, daemon=True)
        meddler.start()
        printed = []
        for line in driver.stdout or ():
            printed.append(line)
            print(f"{self.elapsed()}    {line.rstrip()}", flush=True)
        stopper.cancel()
        meddler.join(1)
        if driver.wait():
            raise DemoFailed(f"the driver ended {driver.returncode}")
        return "".join(printed)

    def _interrupt(self) -> None:
        """In the other terminal: look around, wait for the training to be under way, do what AWS does."""
        while self._steps_done() < INTERRUPT_AT:
            time.sleep(0.3)
        self.run("starcluster", "listclusters")
        self.run("starcluster", "listspots")
        self.run("starcluster", "sshnode", "mycluster", "mynode", "hostname; cat /proc/sys/kernel/random/boot_id")
        self.run("starcluster", "local", "interrupt", "mycluster", "mynode")

    def _steps_done(self) -> int:
        words = ["starcluster", "sshmaster", "mycluster", "wc -l < /home/digits/out/steps.log"]
        done = subprocess.run(words, cwd=self.folder, env=self.env, capture_output=True, text=True)
        return int(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.split() else 0

    def timeline(self) -> None:
        """The same story from the journal: what happened when, and how long after the first request."""
        journal = self.state / "journal" / "mycluster" / "mynode.jsonl"
        events = [json.loads(line) for line in journal.read_text().splitlines()]
        told = [(datetime.fromisoformat(one["at"]), one) for one in events if one["event"] in TOLD]
        told.sort(key=lambda pair: pair[0])
        first = told[0][0]
        print(f"\n{self.elapsed()}  the timeline, in seconds since the request")
        for at, one in told:
            print(f"            {(at - first).total_seconds():6.1f}  {TOLD[one['event']].format_map(Facts(one))}")

    def run_log(self) -> str:
        """What the command printed, over all attempts."""
        runs = sorted((self.folder / "runs").iterdir(), key=lambda path: int(path.name))
        return "".join(path.read_text() for run in runs for path in sorted(run.glob("log*")))

    def prove(self) -> None:
        print(f"\n{self.elapsed()}  the proof")
        out = self.folder / "out"
        log = self.run_log()
        metrics = json.loads((out / "metrics.json").read_text())
        taken = re.search(r"checkpoint at step (\d+) because=SIGTERM sha256=(\w+)", log)
        resumed = re.search(r"resumed at step (\d+) from checkpoint sha256=(\w+)", log)
        check(taken is not None and int(taken[1]) > 0, "a checkpoint was taken when the notice came")
        check(
            resumed is not None and taken is not None and resumed.groups() == taken.groups(),
            f"the new node went on at step {resumed and resumed[1]}, from that very checkpoint",
        )
        lines = (out / "steps.log").read_text().splitlines()
        steps = [int(line.split()[1]) for line in lines]
        attempts = sorted({line.split()[0] for line in lines})
        check(len(attempts) > 1, f"it took {len(attempts)} attempts")
        check(steps == list(range(STEPS)), f"{len(steps)} steps were executed in all: none twice, none left out")
        whole = self.folder / "whole"
        program = [sys.executable, str(ROOT / "examples" / "digits" / "train.py")]
        subprocess.run([*program, "--steps", str(STEPS), "--out", str(whole)], check=True, stdout=subprocess.DEVNULL)
        alone = json.loads((whole / "metrics.json").read_text())
        check(
            metrics["weights_sha256"] == alone["weights_sha256"],
            f"the weights are those of a run without interruption (accuracy {metrics['accuracy']:.1%})",
        )

    def fetch(self) -> None:
        self.run("starcluster", "get", "mycluster", "/home/digits/out", ".")
        self.run("starcluster", "get", "mycluster", "/home/.starcluster/runs/mynode", "runs")

    def clean(self) -> None:
        self.run("starcluster", "terminate", "-c", "mycluster")
        self.run("starcluster", "listvolumes")

    def close(self) -> None:
        self.run("starcluster", "local", "down", "--delete")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speed", type=float, default=60, help="how many times faster than EC2 the cloud is")
    parser.add_argument("--keep", action="store_true", help="leave the folder with all results")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="starcluster-demo-"))
    demo = Demo(folder, options.speed)
    try:
        demo.prepare()
        demo.build()
        demo.train()
        demo.fetch()
        demo.timeline()
        demo.prove()
        demo.clean()
    except DemoFailed as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        demo.close()
        if options.keep:
            print(f"\nkept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"\nDone in {demo.elapsed().strip()}: the job was interrupted, moved to another machine and lost nothing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
