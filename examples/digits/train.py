#!/usr/bin/env python3
"""Trains a small neural network on handwritten digits; may be killed at any moment and goes on where it was.

    python3 train.py --steps 3000 --out /home/digits/out

Standard library only, Python 3.8 or later. What makes it fit for a spot instance:

* every --every seconds, and on SIGTERM, a checkpoint is written whole or not at all (write aside, fsync, rename,
  fsync the folder);
* everything that a step needs follows from the checkpoint and the step's number (the order of the samples too), so
  a run that was interrupted ends with exactly the weights of one that was not;
* each step that was executed is noted in steps.log, so that work done twice can be counted afterwards;
* `progress: STEP/TOTAL` lines tell how far it is.

The network: 64 inputs (8x8 pixels), one hidden layer of --hidden tanh units, 10 softmax outputs, plain SGD with
momentum on batches of 16. The last 297 of the 1797 digits are never trained on and give the accuracy.
"""

import argparse
import array
import gzip
import hashlib
import json
import math
import os
import random
import signal
import sys
import time
from operator import mul
from pathlib import Path

CLASSES, PIXELS, TEST_SIZE, BATCH = 10, 64, 297, 16
SIGTERM_STATUS = 128 + signal.SIGTERM


def read_digits(path):
    """The samples as (64 floats in 0..1, label) pairs."""
    with gzip.open(path, "rt") as lines:
        rows = [[int(word) for word in line.split(",")] for line in lines]
    return [([pixel / 16 for pixel in row[:PIXELS]], row[PIXELS]) for row in rows]


class Network:
    """Weights as flat lists, one row a unit, its bias last; `flat` is the order they are saved in."""

    def __init__(self, hidden, seed):
        draw = random.Random(seed)

        def rows(count, width):
            spread = 1 / math.sqrt(width)
            return [[draw.uniform(-spread, spread) for _ in range(width + 1)] for _ in range(count)]

        self.layers = [rows(hidden, PIXELS), rows(CLASSES, hidden)]
        self.speeds = [[[0.0] * len(row) for row in layer] for layer in self.layers]

    def forward(self, pixels):
        """The hidden units' values (a 1 for the bias appended) and the ten probabilities."""
        inputs = [*pixels, 1.0]
        hidden = [math.tanh(sum(map(mul, row, inputs))) for row in self.layers[0]] + [1.0]
        scores = [sum(map(mul, row, hidden)) for row in self.layers[1]]
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        return inputs, hidden, [power / total for power in powers]

    def step(self, samples, rate, momentum=0.9):
        """One SGD step on a batch; returns the batch's mean loss."""
        slopes = [[[0.0] * len(row) for row in layer] for layer in self.layers]
        loss = 0.0
        for pixels, label in samples:
            loss += self._add_slopes(slopes, pixels, label)
        for layer, speeds, slope in zip(self.layers, self.speeds, slopes):
            for row, speed, change in zip(layer, speeds, slope):
                for i, value in enumerate(change):
                    speed[i] = momentum * speed[i] - rate * value / len(samples)
                    row[i] += speed[i]
        return loss / len(samples)

    def _add_slopes(self, slopes, pixels, label):
        inputs, hidden, chances = self.forward(pixels)
        errors = [chance - (unit == label) for unit, chance in enumerate(chances)]
        back = [0.0] * (len(hidden) - 1)
        for unit, error in enumerate(errors):
            weights, slope = self.layers[1][unit], slopes[1][unit]
            for i, value in enumerate(hidden):
                slope[i] += error * value
            for i in range(len(back)):
                back[i] += error * weights[i]
        for unit, error in enumerate(back):
            error *= 1 - hidden[unit] * hidden[unit]
            slope = slopes[0][unit]
            for i, value in enumerate(inputs):
                slope[i] += error * value
        return -math.log(max(chances[label], 1e-300))

    def accuracy(self, samples):
        right = 0
        for pixels, label in samples:
            chances = self.forward(pixels)[2]
            right += chances.index(max(chances)) == label
        return right / len(samples)

    def flat(self):
        groups = [*self.layers, *self.speeds]
        return array.array("d", [value for layer in groups for row in layer for value in row])

    def fill(self, values):
        source = iter(values)
        for layer in [*self.layers, *self.speeds]:
            for row in layer:
                row[:] = [next(source) for _ in row]


def batch_of(step, samples, seed):
    """The samples of one step: each pass over the data has its own order, drawn from the seed and its number."""
    passes, place = divmod(step * BATCH, len(samples) - len(samples) % BATCH)
    order = list(range(len(samples)))
    random.Random(f"{seed}/{passes}").shuffle(order)
    return [samples[i] for i in order[place : place + BATCH]]


def write_whole(path, content):
    """Replace the file by this content so that after any crash it is the old one or the new one, never a mixture."""
    aside = path.with_name(path.name + ".new")
    with open(aside, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Checkpoint:
    """A JSON line (step, settings, digest of the rest), then the weights as doubles."""

    def __init__(self, path, settings):
        self.path, self.settings = path, settings

    def save(self, step, network):
        """Returns the sha256 of the file as written."""
        body = network.flat().tobytes()
        head = {"step": step, "settings": self.settings, "sha256": hashlib.sha256(body).hexdigest()}
        content = json.dumps(head).encode() + b"\n" + body
        write_whole(self.path, content)
        return hashlib.sha256(content).hexdigest()

    def load(self, network):
        """Fills the network; returns (step, sha256 of the file), (0, "") when there is none."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return 0, ""
        line, _, body = content.partition(b"\n")
        head = json.loads(line)
        if hashlib.sha256(body).hexdigest() != head["sha256"]:
            sys.exit(f"{self.path} is damaged: its digest does not fit. Move it away to begin anew.")
        if head["settings"] != self.settings:
            sys.exit(f"{self.path} is of another run: {head['settings']}, not {self.settings}. Choose another --out.")
        network.fill(array.array("d", body))
        return head["step"], hashlib.sha256(content).hexdigest()


class Stopper:
    """SIGTERM asks for the last checkpoint; the step in hand is finished first."""

    def __init__(self):
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, _number, _frame):
        self.asked = True


def say(text):
    print(text, flush=True)


def train(options):
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    stopper = Stopper()
    samples = read_digits(options.data)
    training, test = samples[:-TEST_SIZE], samples[-TEST_SIZE:]
    network = Network(options.hidden, options.seed)
    settings = {"hidden": options.hidden, "seed": options.seed, "rate": options.rate}
    checkpoint = Checkpoint(out / "checkpoint.bin", settings)
    first, digest = checkpoint.load(network)
    attempt = os.environ.get("STARCLUSTER_ATTEMPT", "1")
    say(f"resumed at step {first} from checkpoint sha256={digest}" if digest else "begins at step 0")
    with open(out / "steps.log", "a") as steps:
        done = run_steps(options, network, training, first, checkpoint, steps, stopper, attempt)
    if done < options.steps:
        return SIGTERM_STATUS
    return finish(out, options, network, test, attempt)


def run_steps(options, network, training, first, checkpoint, steps, stopper, attempt):
    """Steps until the end or SIGTERM, with checkpoints; returns the number of steps that are done."""
    saved = told = time.monotonic()
    for step in range(first, options.steps):
        began = time.monotonic()
        loss = network.step(batch_of(step, training, options.seed), options.rate)
        steps.write(f"{attempt} {step}\n")
        steps.flush()
        done = step + 1
        time.sleep(max(0.0, options.pace - (time.monotonic() - began)))
        now, asked = time.monotonic(), stopper.asked  # read once: asked later means after the next step
        if asked or now - saved >= options.every or done == options.steps:
            os.fsync(steps.fileno())
            digest = checkpoint.save(done, network)
            saved = now
            why = "SIGTERM" if asked else "interval"
            say(f"checkpoint at step {done} because={why} sha256={digest}")
        if asked or now - told >= 1 or done == options.steps:
            say(f"progress: {done}/{options.steps} loss={loss:.4f}")
            told = now
        if asked:
            return done
    return options.steps


def finish(out, options, network, test, attempt):
    weights = hashlib.sha256(network.flat().tobytes()).hexdigest()
    metrics = {
        "accuracy": round(network.accuracy(test), 4),
        "steps": options.steps,
        "weights_sha256": weights,
        "attempt": int(attempt),
    }
    write_whole(out / "metrics.json", json.dumps(metrics, indent=2).encode() + b"\n")
    say(f"finished: accuracy {metrics['accuracy']:.2%} after {options.steps} steps, weights {weights}")
    return 0


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train a small network on digits; resumes where it was.")
    parser.add_argument("--steps", type=int, default=3000, help="steps in all, over all attempts")
    parser.add_argument("--out", default=str(here / "out"), help="folder for checkpoint, steps.log, metrics.json")
    parser.add_argument("--data", default=str(here / "digits.csv.gz"))
    parser.add_argument("--every", type=float, default=5.0, help="seconds between checkpoints")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds that a step takes at least")
    parser.add_argument("--hidden", type=int, default=24)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    return train(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
