"""starcluster-s3sync push|restore|check|watch [NAME...] [--within SECONDS] [--force] [--stdin]

push      a snapshot of what is new; --within: what can be had in that time, the newest first
restore   the newest snapshot, into a folder that is empty or older; --force: also over newer files
check     whether the bucket can be read
watch     push every interval (the plugin starts this)

Without a name: all syncs of this node. --stdin: settings as JSON from standard input. One line of JSON a sync is
printed; ends 0 when all went well, 1 when something did not.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starcluster.s3sync import settings as settings_module
from starcluster.s3sync.settings import Settings
from starcluster.s3sync.trouble import Trouble

_VERBS = ("push", "restore", "check", "watch")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of the command line."""

    verb: str
    names: tuple[str, ...] = ()
    within: float | None = None
    force: bool = False
    stdin: bool = False


def parse(arguments: Sequence[str]) -> Words:
    """Raises ValueError for words that it does not know."""
    if not arguments or arguments[0] not in _VERBS:
        raise ValueError("which of push, restore, check, watch?")
    rest, names, within = list(arguments[1:]), [], None
    flags = {"--force": False, "--stdin": False}
    while rest:
        word = rest.pop(0)
        if word in flags:
            flags[word] = True
        elif word == "--within" and rest:
            within = float(rest.pop(0))
        elif word.startswith("-"):
            raise ValueError(f"unknown: {word}")
        else:
            names.append(word)
    return Words(verb=arguments[0], names=tuple(names), within=within, force=flags["--force"], stdin=flags["--stdin"])


def _settings(words: Words) -> Iterator[Settings]:
    if words.stdin:
        yield settings_module.settings_of(json.load(sys.stdin))
        return
    chosen = words.names or tuple(settings_module.names())
    if not chosen:
        raise Trouble("no sync is set up on this node", "the s3sync plugin does that; or name a bucket", kind="none")
    for name in chosen:
        yield settings_module.read(name)


def _do(words: Words, settings: Settings) -> dict[str, Any]:
    from starcluster.s3sync.bucket import Bucket
    from starcluster.s3sync.pushing import Push
    from starcluster.s3sync.restoring import Restore

    os.environ.update(settings.environment)
    bucket = Bucket(settings)
    if words.verb == "check":
        bucket.check()
        return {}
    if words.verb == "push":
        return asdict(Push(settings, bucket, within=words.within).run())
    return asdict(Restore(settings, bucket, force=words.force).run())


def _told(words: Words) -> Iterator[dict[str, Any]]:
    """What came of each sync; one that fails leaves the others be."""
    try:
        for one in _settings(words):
            about = {"name": one.name, "bucket": one.bucket, "prefix": one.prefix, "path": one.path, "verb": words.verb}
            try:
                yield {**about, "ok": True, **_do(words, one)}
            except Trouble as trouble:
                yield {**about, **_failure(trouble)}
    except Trouble as trouble:
        yield {"name": "", "verb": words.verb, **_failure(trouble)}


def _failure(trouble: Trouble) -> dict[str, Any]:
    return {"ok": False, "kind": trouble.kind, "error": trouble.message, "hint": trouble.hint}


def _watch(words: Words) -> int:
    from starcluster.s3sync.watching import Watch

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        settings = next(_settings(words))
        os.environ.update(settings.environment)
        return Watch(settings, ended=ended).run()
    except Trouble as trouble:
        sys.stderr.write(f"{trouble}\n")
        return 1


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        words = parse(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        sys.stderr.write(f"{error}\n\n{__doc__}")
        return 2
    if words.verb == "watch":
        return _watch(words)
    status = 0
    for told in _told(words):
        sys.stdout.write(json.dumps(told) + "\n")
        status = status if told["ok"] else 1
    sys.stdout.flush()
    return status


def run() -> None:
    """The program's end waits for no upload that came too late."""
    os._exit(main())


if __name__ == "__main__":
    run()
