"""Writes numbered, checksummed records to a drive; what test_drive_writer.py has taken away again and again.

    writer.py DATA TOLD     DATA: the folder on the drive; TOLD: a file elsewhere, and TOLD.go ends the work

A line of a file of records is `NUMBER PAYLOAD SHA256-OF-THE-TWO`. DATA/records is synced after every record;
DATA/control has the same lines and never is. What is told, a line each, always after it is true:

    found ATTEMPT RECORDS TORN CONTROL    first thing: so many whole records, bytes after them, how many control lacks
    ack ATTEMPT NUMBER                    fsync has returned for this record, and for all before it
    flushed ATTEMPT NUMBER                asked to stop: all is synced, control too
    done ATTEMPT NUMBER
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time

PACE = 0.01  # seconds between two records
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def line_of(number: int, payload: str) -> bytes:
    told = f"{number} {payload}"
    return f"{told} {hashlib.sha256(told.encode()).hexdigest()}\n".encode()


def whole_records(content: bytes) -> tuple[int, int]:
    """How many records are there from the beginning, none missing and none damaged, and how many bytes they take."""
    count = size = 0
    for line in content.splitlines(keepends=True):
        words = line.split()
        if len(words) != 3 or line != line_of(count + 1, words[1].decode(errors="replace")):
            break
        count, size = count + 1, size + len(line)
    return count, size


def read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def mend(path: str, size: int, rest: bytes) -> None:
    """The file's first `size` bytes and then the rest, on the disk; what counts in it is not written again."""
    there = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.ftruncate(there, size)
    os.pwrite(there, rest, size)
    os.fsync(there)
    os.close(there)


class Writer:
    def __init__(self, data: str, told: str) -> None:
        self.records, self.control = os.path.join(data, "records"), os.path.join(data, "control")
        self.data, self.go = data, f"{told}.go"
        self.attempt = os.environ["STARCLUSTER_ATTEMPT"]
        self.told = os.open(told, _APPEND)
        self.stopped = False

    def tell(self, *words: object) -> None:
        """One write at the end of the file: a line is there whole, or the observer takes no notice of it."""
        os.write(self.told, (" ".join(map(str, words)) + "\n").encode())

    def begin(self) -> int:
        """Say what the drive has; both files then have the whole records. Returns how many there are."""
        content, control = read(self.records), read(self.control)
        count, size = whole_records(content)
        kept, kept_size = whole_records(control)
        self.tell("found", self.attempt, count, len(content) - size, count - kept)
        mend(self.records, size, b"")
        mend(self.control, min(kept_size, size), content[min(kept_size, size) : size])
        folder = os.open(self.data, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return count

    def work(self) -> int:
        number = self.begin()
        synced, unsynced = os.open(self.records, _APPEND), os.open(self.control, _APPEND)
        while not self.stopped and not os.path.exists(self.go):
            number += 1
            line = line_of(number, os.urandom(48).hex())
            os.write(synced, line)
            os.fsync(synced)
            os.write(unsynced, line)
            self.tell("ack", self.attempt, number)
            time.sleep(PACE)
        os.fsync(synced)
        os.fsync(unsynced)
        self.tell("flushed" if self.stopped else "done", self.attempt, number)
        return 128 + signal.SIGTERM if self.stopped else 0

    def stop(self, *_: object) -> None:
        self.stopped = True


def main(data: str, told: str) -> int:
    writer = Writer(data, told)
    signal.signal(signal.SIGTERM, writer.stop)
    return writer.work()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
