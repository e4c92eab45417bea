"""Which buckets, objects and uploads there are: an SQLite file, so that a daemon may be killed at any moment."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starcluster.localcloud.s3.blobs import Blob

_TABLES = """
create table if not exists buckets (name text primary key, region text, made real);
create table if not exists objects (
  number integer primary key, bucket text, key blob, size integer, etag text, changed real, headers text,
  unique (bucket, key));
create table if not exists pieces (object integer, place integer, blob text, size integer, primary key (object, place));
create table if not exists uploads (id text primary key, bucket text, key blob, made real, headers text);
create table if not exists parts (
  upload text, number integer, blob text, size integer, md5 text, changed real, primary key (upload, number));
"""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    name: str
    region: str
    made: float


@dataclass(frozen=True, kw_only=True)
class Object:
    """One object. `headers`: what is told with it, in lower case; `pieces`: its blobs, in order."""

    key: str
    size: int
    etag: str
    changed: float
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Upload:
    """An upload in parts that is not finished."""

    id: str
    bucket: str
    key: str
    made: float
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Part:
    number: int
    blob: Blob
    changed: float


class Index:
    """Every method is one transaction. Methods that take something away return the names of blobs to be dropped."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # what a killed process wrote stays; a machine that loses power may lose the last moments, as all of this cloud
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=off")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def _all_or_nothing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()

    # --- buckets

    def make_bucket(self, bucket: Bucket) -> bool:
        """False when there is one of that name."""
        with self._all_or_nothing() as db:
            values = (bucket.name, bucket.region, bucket.made)
            return db.execute("insert or ignore into buckets values (?, ?, ?)", values).rowcount == 1

    def buckets(self) -> list[Bucket]:
        rows = self._rows("select name, region, made from buckets order by name")
        return [Bucket(name=str(name), region=str(region), made=float(str(made))) for name, region, made in rows]

    def bucket(self, name: str) -> Bucket | None:
        return next((each for each in self.buckets() if each.name == name), None)

    def drop_bucket(self, name: str) -> bool:
        """False while it holds an object or an upload."""
        with self._all_or_nothing() as db:
            for table in ("objects", "uploads"):
                if db.execute(f"select 1 from {table} where bucket = ? limit 1", (name,)).fetchone():
                    return False
            db.execute("delete from buckets where name = ?", (name,))
            return True

    # --- objects

    def put(self, bucket: str, made: Object, *, only_new: bool = False, upload: str = "") -> list[str] | None:
        """Put an object in the place of what is there; None when `only_new` and there is one. Ends its `upload`."""
        with self._all_or_nothing() as db:
            gone = _take_out(db, bucket, made.key, look_only=only_new)
            if gone is None:
                return None
            values = (bucket, made.key.encode(), made.size, made.etag, made.changed, json.dumps(dict(made.headers)))
            row = db.execute(
                "insert into objects (bucket, key, size, etag, changed, headers) values (?, ?, ?, ?, ?, ?)", values
            )
            pieces = [(row.lastrowid, place, *piece) for place, piece in enumerate(made.pieces)]
            db.executemany("insert into pieces values (?, ?, ?, ?)", pieces)
            if upload:
                used = {name for name, _ in made.pieces}
                gone += [name for name in _end_upload(db, upload) if name not in used]
            return gone

    def get(self, bucket: str, key: str) -> Object | None:
        with self._lock:
            row = self._db.execute(
                "select number, size, etag, changed, headers from objects where bucket = ? and key = ?",
                (bucket, key.encode()),
            ).fetchone()
            if row is None:
                return None
            pieces = self._db.execute("select blob, size from pieces where object = ? order by place", row[:1])
            found = tuple((str(blob), int(size)) for blob, size in pieces)
        return Object(
            key=key, size=row[1], etag=row[2], changed=row[3], headers=json.loads(row[4]), pieces=found
        )  # fmt: skip

    def remove(self, bucket: str, keys: Sequence[str]) -> list[str]:
        """Remove objects; one that is not there is no error."""
        with self._all_or_nothing() as db:
            return [name for key in keys for name in _take_out(db, bucket, key) or []]

    def listed(self, bucket: str, *, prefix: str, after: str, beyond: bytes = b"", limit: int) -> list[Object]:
        """Up to `limit` objects with the prefix in the order of their keys: after a key, at or beyond some bytes."""
        first = max(prefix.encode(), beyond)
        rows = self._rows(
            "select key, size, etag, changed from objects where bucket = ? and key >= ? and key > ? and key < ?"
            " order by key limit ?",
            (bucket, first, after.encode(), _end_of(prefix.encode()), limit),
        )
        return [
            Object(key=bytes(key).decode(), size=size, etag=etag, changed=changed)  # type: ignore[call-overload, arg-type]
            for key, size, etag, changed in rows
        ]

    # --- uploads

    def make_upload(self, upload: Upload) -> None:
        values = (upload.id, upload.bucket, upload.key.encode(), upload.made, json.dumps(dict(upload.headers)))
        with self._all_or_nothing() as db:
            db.execute("insert into uploads values (?, ?, ?, ?, ?)", values)

    def upload(self, upload_id: str) -> Upload | None:
        return next(iter(self._uploads("id = ?", upload_id)), None)

    def uploads(self, bucket: str) -> list[Upload]:
        return self._uploads("bucket = ?", bucket)

    def _uploads(self, where: str, value: str) -> list[Upload]:
        query = f"select id, bucket, key, made, headers from uploads where {where} order by key, id"
        with self._lock:
            rows = self._db.execute(query, (value,)).fetchall()
        return [
            Upload(id=row[0], bucket=row[1], key=row[2].decode(), made=row[3], headers=json.loads(row[4]))
            for row in rows
        ]

    def put_part(self, upload_id: str, part: Part) -> list[str] | None:
        """Keep one part; None when the upload is gone meanwhile."""
        with self._all_or_nothing() as db:
            if not db.execute("select 1 from uploads where id = ?", (upload_id,)).fetchone():
                return None
            where = (upload_id, part.number)
            gone = db.execute("select blob from parts where upload = ? and number = ?", where).fetchall()
            blob = part.blob
            values = (*where, blob.name, blob.size, blob.md5, part.changed)
            db.execute("insert or replace into parts values (?, ?, ?, ?, ?, ?)", values)
            return [row[0] for row in gone]

    def parts(self, upload_id: str) -> list[Part]:
        with self._lock:
            rows = self._db.execute(
                "select number, blob, size, md5, changed from parts where upload = ? order by number", (upload_id,)
            ).fetchall()
        return [Part(number=row[0], blob=Blob(name=row[1], size=row[2], md5=row[3]), changed=row[4]) for row in rows]

    def end_upload(self, upload_id: str) -> list[str]:
        with self._all_or_nothing() as db:
            return _end_upload(db, upload_id)

    def blobs(self) -> set[str]:
        """Every blob that something needs."""
        rows = self._rows("select blob from pieces union select blob from parts")
        return {str(row[0]) for row in rows}


def _take_out(db: sqlite3.Connection, bucket: str, key: str, *, look_only: bool = False) -> list[str] | None:
    """Take an object out; None when it is there and only looked for."""
    row = db.execute("select number from objects where bucket = ? and key = ?", (bucket, key.encode())).fetchone()
    if row is None:
        return []
    if look_only:
        return None
    gone = [found[0] for found in db.execute("select blob from pieces where object = ?", row)]
    db.execute("delete from pieces where object = ?", row)
    db.execute("delete from objects where number = ?", row)
    return gone


def _end_upload(db: sqlite3.Connection, upload_id: str) -> list[str]:
    gone = [found[0] for found in db.execute("select blob from parts where upload = ?", (upload_id,))]
    db.execute("delete from parts where upload = ?", (upload_id,))
    db.execute("delete from uploads where id = ?", (upload_id,))
    return gone


def _end_of(prefix: bytes) -> bytes:
    """What is greater than every key with the prefix: no UTF-8 text has the byte 255."""
    return prefix + b"\xff"
