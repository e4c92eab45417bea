"""What arrives is what was there, under its own name only when it is whole."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from starcluster.copyends import wire as w
from starcluster.copyends.receiver import Receiver
from starcluster.copyends.sender import Sender
from tests.unit.copyends.ends import Sums, copy

ODD_NAMES = [
    b"with space",
    b"new\nline",
    b"\xff\xfe not utf-8",
    "ümlaut ☃".encode(),
    b"-rf",
    b"$(x) 'y' \"z\"",
    b"a" * 255,
]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if w.is_part(os.fsencode(path.name))]


def snapshot(folder: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Path -> mode, time, content or what a link leads to; of all that is in the folder."""
    found = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        content = os.readlink(os.fsencode(path)) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[os.fsencode(path.relative_to(folder))] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


def tree(here: Path) -> Path:
    root = here / "tree"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "empty folder").mkdir(mode=0o700)
    (root / "empty").write_bytes(b"")
    (root / "deep" / "run.sh").write_bytes(b"\0\1" * 400_000)
    (root / "deep" / "run.sh").chmod(0o4751)
    (root / "deep" / "er" / "up").symlink_to("../run.sh")
    (root / "nowhere").symlink_to("/does/not/exist")
    for number, name in enumerate(ODD_NAMES):
        path = os.path.join(os.fsencode(root), name)
        with open(path, "wb") as file:
            file.write(name)
        os.utime(path, ns=(number * 10**9 + 7, number * 10**9 + 7))
    os.utime(root / "deep", ns=(5 * 10**9, 5 * 10**9))
    return root


def test_a_tree_with_all_that_there_is(here: Path, there: Path) -> None:
    root = tree(here)
    meter = Sums()
    said = copy([root], there, meter=meter)
    assert snapshot(there / "tree") == snapshot(root)
    assert (said["failures"], said["warnings"], said["files"]) == ([], [], 2 + len(ODD_NAMES))
    assert meter.expected == meter.came == said["bytes"]
    again = copy([root], there)
    assert (again["files"], again["kept"]) == (0, 2 + len(ODD_NAMES))
    assert snapshot(there / "tree") == snapshot(root)


def test_into_a_folder_or_under_a_new_name(here: Path, there: Path) -> None:
    (here / "one").write_text("1")
    (here / "two").write_text("2")
    copy([here / "one", here / "two"], there)
    copy([here / "one"], there / "three")
    copy([here], there / "folder")
    assert sorted(str(path.relative_to(there)) for path in there.rglob("*")) == [
        "folder", "folder/one", "folder/two", "one", "three", "two",
    ]  # fmt: skip


def test_wildcards_are_as_in_a_shell(here: Path, there: Path) -> None:
    for name in ("a.log", "b.log", ".c.log", "star*", "stars"):
        (here / name).write_text(name)
    copy([here / "*.log", here / "star*"], there)
    assert sorted(path.name for path in there.iterdir()) == ["a.log", "b.log", "star*"]


def test_a_link_that_was_named_stands_for_its_file(here: Path, there: Path) -> None:
    (here / "data").write_text("1")
    (here / "link").symlink_to("data")
    (there / "old").write_text("0")
    (there / "way").symlink_to("old")
    copy([here / "link"], there)
    copy([here / "data"], there / "way")
    assert (there / "link").is_symlink() is False
    assert ((there / "way").is_symlink(), (there / "old").read_text()) == (True, "1")


def test_a_folder_takes_a_name_that_ends_in_a_slash(here: Path, there: Path) -> None:
    (here / "software" / "bin").mkdir(parents=True)
    (here / "software" / "bin" / "x").write_text("1")
    copy([f"{here}/software/"], f"{there}/new/")
    assert (there / "new" / "bin" / "x").read_text() == "1"


@pytest.mark.parametrize(
    ("sources", "target", "told"),
    [
        (["missing"], ".", "missing does not exist"),
        (["no*"], ".", "no[*] does not exist"),
        (["one"], "none/x", "there is no folder .*none"),
        (["one"], "new/", "new/ is not a folder"),
        (["one", "two"], "new", "2 files need a folder to go to, and .*new is not a folder"),
        (["folder"], "one/", "one/ is a file, and a folder was to be put there"),
        (["folder"], "one", "one is a file, and a folder was to be put there"),
        (["one", "folder/one"], ".", "would both become one"),
        (["/"], ".", "/ has no name of its own"),
        (["one"], "/dev/null", "/dev/null is neither a file nor a folder"),
        (["dangling"], ".", "dangling is a link that leads nowhere"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused(here: Path, sources: list[str], target: str, told: str) -> None:
    (here / "folder").mkdir()
    for name in ("one", "two", "folder/one"):
        (here / name).write_text(name)
    (here / "dangling").symlink_to("nothing")
    before = snapshot(here)
    with pytest.raises(w.Refused, match=told):
        copy([here / name for name in sources], f"{here}/{target}" if target[0] != "/" else target)
    assert snapshot(here) == before


def test_holes_stay_holes(here: Path, there: Path) -> None:
    with open(here / "sparse", "wb") as file:
        file.seek(30_000_000)
        file.write(b"in the middle")
        file.truncate(50_000_000)
    said = copy([here / "sparse"], there)
    assert (there / "sparse").read_bytes() == (here / "sparse").read_bytes()
    assert ((there / "sparse").stat().st_blocks < 10_000, said["bytes"]) == (True, 50_000_000)


def test_a_broken_copy_goes_on_where_it_was(here: Path, there: Path) -> None:
    (here / "big").write_bytes(os.urandom(5_000_000))
    (there / "big").write_text("old")
    with pytest.raises(w.Lost):
        copy([here / "big"], there, cut_after=3_000_000)
    assert (there / "big").read_text() == "old"
    (part,) = parts(there)
    held = part.stat().st_size
    said = copy([here / "big"], there)
    assert (there / "big").read_bytes() == (here / "big").read_bytes()
    assert held > 2_000_000
    assert (said["resumed"], said["bytes"], parts(there)) == (1, 5_000_000 - held, [])


def test_a_file_is_cut_only_where_it_is_too_long(here: Path, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was cut to nothing, even from nothing, goes to the disk at its close on ext4, and the copy waits."""
    cut, really = [], os.ftruncate
    monkeypatch.setattr(os, "ftruncate", lambda handle, size: (cut.append(size), really(handle, size)))
    (here / "new").write_bytes(os.urandom(3_000_000))
    with pytest.raises(w.Lost):
        copy([here / "new"], there, cut_after=1_000_000)
    copy([here / "new"], there)
    assert (there / "new").read_bytes() == (here / "new").read_bytes()
    assert cut == []
    (there / ".other.starcluster-part").write_bytes(b"of another file")
    (here / "other").write_bytes(os.urandom(100_000))
    copy([here / "other"], there)
    assert (there / "other").read_bytes() == (here / "other").read_bytes()
    assert cut == [0]


@pytest.mark.parametrize("change", ["other begin", "shorter", "the part is damaged"])
def test_what_was_kept_of_another_file_is_not_gone_on_with(here: Path, there: Path, change: str) -> None:
    data = os.urandom(3_000_000)
    (here / "big").write_bytes(data)
    with pytest.raises(w.Lost):
        copy([here / "big"], there, cut_after=2_000_000)
    if change == "the part is damaged":
        with parts(there)[0].open("r+b") as file:
            file.write(b"damage")
    else:
        (here / "big").write_bytes(b"other" + data if change == "other begin" else data[:1_000_000])
    said = copy([here / "big"], there)
    assert (there / "big").read_bytes() == (here / "big").read_bytes()
    assert (said["resumed"], parts(there)) == (0, [])


def test_a_new_folder_has_its_name_when_all_of_it_is_there(here: Path, there: Path) -> None:
    root = here / "root"
    root.mkdir()
    for number in range(30):
        (root / f"{number:02}").write_bytes(os.urandom(100_000))
    with pytest.raises(w.Lost):
        copy([root], there, cut_after=1_500_000)
    assert [path.name for path in there.iterdir()] == [".root.starcluster-part"]
    (root / "00").unlink()
    said = copy([root], there)
    assert snapshot(there / "root") == snapshot(root)
    assert (said["kept"] > 10, said["kept"] + said["files"]) == (True, 29)
    assert parts(there) == []


@pytest.mark.parametrize("size", [2_000, 2_000_000])
def test_a_byte_that_changed_on_the_way_is_an_error_that_names_the_file(here: Path, there: Path, size: int) -> None:
    (here / "good").write_bytes(b"g" * size)
    (here / "struck").write_bytes(b"s" * size)
    (there / "struck").write_text("old")

    def change(data: bytes) -> bytes:
        return b"t" + data[1:] if data.startswith(b"sss") else data

    said = copy([here / "good", here / "struck"], there, change=change)
    assert said["failures"] == [f"{there}/struck is not what was sent: the check of its bytes failed"]
    assert ((there / "struck").read_text(), parts(there)) == ("old", [])
    assert (there / "good").read_bytes() == (here / "good").read_bytes()


def test_the_checksum_finds_what_size_and_time_do_not_tell(here: Path, there: Path) -> None:
    for name, here_is, there_is in (("rotten", "1234", "12x4"), ("touched", "same", "same"), ("same", "same", "same")):
        (here / name).write_text(here_is)
        (there / name).write_text(there_is)
        os.utime(here / name, ns=(10**18, 10**18))
        os.utime(there / name, ns=(10**18 + (name == "touched"), 10**18))
    os.utime(there / "touched", ns=(5, 5))
    assert copy([here / "rotten"], there)["kept"] == 1
    said = copy(list(here.iterdir()), there, checksum=True)
    assert ((there / "rotten").read_text(), said["files"], said["kept"]) == ("1234", 1, 2)
    assert (there / "touched").stat().st_mtime_ns == 10**18


class Touching(Sender):
    """Something happens to the file between the listing and its reading, or in the middle of it."""

    def _content(self, path, handle, before, start):  # type: ignore[no-untyped-def]
        if path.endswith(b"grows"):
            with open(path, "ab") as file:
                file.write(b"more")
        if path.endswith(b"shrinks"):
            os.truncate(path, 10)
        return super()._content(path, handle, before, start)

    def _file(self, index, path, *rest):  # type: ignore[no-untyped-def]
        if path.endswith(b"vanishes"):
            os.unlink(path)
        super()._file(index, path, *rest)


def test_files_that_change_meanwhile_are_told(here: Path, there: Path) -> None:
    for name in ("grows", "shrinks", "vanishes", "stays"):
        (here / name).write_bytes(b"x" * 1_000_000)
    said = copy(sorted(here.iterdir()), there, sender=Touching)
    assert said["warnings"] == [f"{here}/grows changed while it was copied: what arrived is what was read"]
    assert said["failures"] == [
        f"{here}/vanishes went away while it was copied",
        f"{here}/shrinks was cut short while it was copied",
    ]
    assert sorted(path.name for path in there.iterdir()) == ["grows", "stays"]
    assert (there / "grows").stat().st_size == 1_000_000


class TouchingLittle(Sender):
    def _compare(self, path, handle, before):  # type: ignore[no-untyped-def]
        with open(path, "ab") as file:
            file.write(b"more")
        super()._compare(path, handle, before)


def test_a_little_file_that_changes_meanwhile_is_told(here: Path, there: Path) -> None:
    (here / "grows").write_text("little")
    said = copy([here / "grows"], there, sender=TouchingLittle)
    assert said["warnings"] == [f"{here}/grows changed while it was copied: what arrived is what was read"]
    assert (there / "grows").read_text() == "little"


class Looking(Receiver):
    """What is at the files' own places while they are being written."""

    seen: list[bool] = []

    def _end(self, incoming, *rest):  # type: ignore[no-untyped-def]
        self.seen.append(os.path.exists(self.places.final(incoming.place)))
        super()._end(incoming, *rest)


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_new_folder_in_one_that_is_there_shows_whole_files_only(here: Path, there: Path, size: int) -> None:
    for folder in ("top/old", "top/new"):
        (here / folder).mkdir(parents=True)
        (here / folder / "file").write_bytes(b"x" * size)
    (there / "top" / "old").mkdir(parents=True)
    Looking.seen = []
    assert copy([here / "top"], there, receiver=Looking)["files"] == 2
    assert copy([here / "top"], there / "fresh", receiver=Looking)["files"] == 2
    assert Looking.seen == [False] * 4


def test_a_little_file_that_was_torn_comes_anew(here: Path, there: Path) -> None:
    """In a new folder it is written under its own name, and is known by its time."""
    root = here / "root"
    root.mkdir()
    for number in range(50):
        (root / f"{number:02}").write_bytes(b"x" * 1000)
    with pytest.raises(w.Lost):
        copy([root], there, cut_after=30_000)
    (stage,) = parts(there)
    torn = sorted(stage.iterdir())[0]
    torn.write_bytes(b"y" * 1000)  # all its bytes, but not yet its time
    said = copy([root], there)
    assert snapshot(there / "root") == snapshot(root)
    assert 10 < said["kept"] < 30


def test_names_that_fall_together_over_there_do_no_harm(
    here: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a file system that does not tell A from a."""
    (here / "A").write_text("1")
    (here / "b").write_text("2")
    real, made = os.open, []

    def once(path, flags, *rest, **named):  # type: ignore[no-untyped-def]
        if flags & os.O_EXCL and not made:
            made.append(path)
            raise FileExistsError(path)
        return real(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", once)
    copy([here], there)
    assert snapshot(there / "here") == snapshot(here)
    assert len(made) == 1


def test_a_socket_is_left_out_and_told(here: Path, there: Path) -> None:
    os.mkfifo(here / "pipe")
    (here / "file").write_text("1")
    said = copy([here], there)
    assert said["warnings"] == [f"{here}/pipe is no file, folder or link: left out"]
    assert (said["failures"], [path.name for path in (there / "here").iterdir()]) == ([], ["file"])


def test_what_an_earlier_copy_has_begun_there_is_no_file_to_copy(here: Path, there: Path) -> None:
    (here / "file").write_text("1")
    (here / ".big.starcluster-part").write_text("a part")
    copy([here], there)
    assert [path.name for path in (there / "here").iterdir()] == ["file"]


def test_a_name_can_not_play_tricks_with_the_terminal() -> None:
    assert w.shown(b"\x1b[2Jgone\n\xff\xc3\xbc") == "\\x1b[2Jgone\\n\\xff\u00fc"


def test_files_and_folders_in_each_others_place(here: Path, there: Path) -> None:
    (here / "x" / "a").mkdir(parents=True)
    (here / "x" / "a" / "in it").write_text("1")
    (here / "x" / "b").write_text("2")
    (here / "x" / "c").write_text("3")
    (there / "x" / "b").mkdir(parents=True)
    (there / "x" / "a").write_text("old")
    said = copy([here / "x"], there)
    assert said["failures"] == [
        f"{there}/x/a can not be written: it is a file, and a folder was to be put there",
        f"{there}/x/a/in it can not be written: Not a directory",
        f"{there}/x/b can not be written: Is a directory",
    ]
    assert ((there / "x" / "a").read_text(), (there / "x" / "c").read_text(), parts(there)) == ("old", "3", [])


def test_two_copies_of_one_file_do_not_mix(here: Path, there: Path) -> None:
    import fcntl

    (here / "big").write_bytes(b"x" * 1_000_000)
    with open(w.part_of(os.fsencode(there / "big")), "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"other's")
        other.flush()
        said = copy([here / "big"], there)
        assert said["failures"] == [f"another copy is writing {there}/big"]
        assert parts(there)[0].read_bytes() == b"other's"


def test_root_does_not_take_a_file_from_its_owner(here: Path, there: Path) -> None:
    (here / "file").write_text("new")
    (there / "file").write_text("old")
    os.chown(there / "file", 1234, 1234)
    copy([here / "file"], there)
    assert ((there / "file").stat().st_uid, (there / "file").read_text()) == (1234, "new")


class Evil(Sender):
    """A node that sends what it was not asked for."""

    sends: list[w.Entry] = []

    def _entries(self, named):  # type: ignore[no-untyped-def]
        for one in self.sends:
            yield os.fsencode("/etc/hostname"), one


def sent(path: bytes, kind: str = w.PLAIN, link: bytes = b"") -> w.Entry:
    return w.Entry(path, kind, 0o6755, 0, 5, 0, link)


@pytest.mark.parametrize(
    "entries",
    [
        [sent(b"../x")], [sent(b"/etc/x")], [sent(b"a/../../x")], [sent(b"a//x")], [sent(b"a/.")], [sent(b"")],
        [sent(b".bashrc")], [sent(b"a", w.LINK, b"/etc")], [sent(b"other")],
        [sent(b"a", w.FOLDER), sent(b"a/l", w.LINK, b"/etc"), sent(b"a/l")],
    ],
)  # fmt: skip
def test_a_node_can_not_choose_where_it_writes(here: Path, there: Path, entries: list[w.Entry]) -> None:
    (here / "a").write_text("1")
    Evil.sends = entries
    with pytest.raises(w.Lost):
        copy([here / "a"], there, sender=Evil, trusted=False, asked=[b"/srv/a", b"b*"])
    assert list(there.iterdir()) == []


def test_a_node_can_not_write_through_a_link_that_it_sent_earlier(here: Path, there: Path) -> None:
    (there / "a").mkdir()
    (here / "outside").mkdir()
    (there / "a" / "l").symlink_to(here / "outside")
    root = here / "a"
    (root / "l").mkdir(parents=True)
    (root / "l" / "x").write_text("1")
    (root / "suid").write_text("1")
    (root / "suid").chmod(0o4755)
    said = copy([root], there, trusted=False, asked=[b"a"])
    assert list((here / "outside").iterdir()) == []
    assert len(said["failures"]) == 2
    assert stat.S_IMODE((there / "a" / "suid").stat().st_mode) == 0o755
    assert copy([root], there)["failures"] == []
    assert (here / "outside" / "x").read_text() == "1"


class NoLook(Receiver):
    def _room(self) -> None:
        """The disk fills up only after we have looked."""


FULL = """
import os, sys
from pathlib import Path
from starcluster.copyends.wire import Refused
from tests.unit.copyends.ends import copy
from tests.unit.copyends.test_copies import NoLook, Receiver
here, there = Path(sys.argv[1]), Path(sys.argv[2])
(there / "file").write_text("old")
for receiver in (NoLook, Receiver):
    for source, target in (("file", there), ("folder", there)):
        try:
            print(copy([here / source], target, receiver=receiver))
        except Refused as refusal:
            print(refusal)
print(sorted(os.listdir(there)), (there / "file").read_text())
"""


TOO_MANY = """
import os, sys
from pathlib import Path
from starcluster.copyends.wire import Refused
from tests.unit.copyends.ends import copy
here, there = Path(sys.argv[1]), Path(sys.argv[2])
for again in range(2):
    try:
        print(copy([here / "folder"], there)["files"])
    except Refused as refusal:
        print(refusal, os.listdir(there))
    for path in list((here / "folder").iterdir())[:15]:
        path.unlink()
(here / "folder" / "another").write_text("x")
print(copy([here / "folder"], there)["files"], len(os.listdir(there / "folder")))
"""


def test_more_files_than_the_disk_can_hold_are_refused_at_once(here: Path, there: Path) -> None:
    (here / "folder").mkdir()
    for number in range(25):
        (here / "folder" / str(number)).write_text("x")
    # 17 of the 18 are left beside the root: 10 files in a folder fit, and one more beside the 10
    lines = on_a_small_disk("nr_inodes=18", here, there, TOO_MANY)
    said = "can not hold so many files: 26 are to come, and it takes 17 more (df -i)"
    assert lines == [f"the disk of {there} {said} []", "10", "1 11"]


def on_a_small_disk(size: str, here: Path, there: Path, script: str) -> list[str]:
    """What a script prints for which `there` is a disk that only it sees."""
    words = f'mount -t tmpfs -o {size} none $1 && exec $2 -c "$3" $0 $1'
    root = Path(__file__).parents[3]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", words, str(here), str(there), sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_a_full_disk_is_told_and_nothing_is_left(here: Path, there: Path) -> None:
    (here / "folder").mkdir()
    (here / "file").write_bytes(os.urandom(3_000_000))
    for number in range(20):
        (here / "folder" / str(number)).write_bytes(os.urandom(100_000))
    lines = on_a_small_disk("size=1m", here, there, FULL)
    assert lines[0] == f"the disk is full: {there}/file did not fit, and is not there"
    assert lines[1].startswith(f"the disk is full: {there}/folder/")
    assert lines[2].startswith(f"the disk of {there} is too full: 3 MB are to come, and it has room for 1.0")
    assert lines[3].startswith(f"the disk of {there} is too full: 2 MB are to come")
    assert lines[4:] == ["['file'] old"]


def test_a_large_frame_goes_whole_whatever_the_pipe_takes_at_once() -> None:
    there, here = os.pipe()
    os.set_blocking(here, True)
    sent = os.urandom(w.BLOCK)
    with os.fdopen(there, "rb", 0) as source, os.fdopen(here, "wb", 1 << 18) as sink:
        got: list[bytes] = []

        def take() -> None:
            wire = w.Wire(source, io.BytesIO())
            for _ in range(3):
                kind, length = wire.next()
                got.append(kind + wire.body(length))

        thread = threading.Thread(target=take)
        thread.start()
        wire = w.Wire(io.BytesIO(), sink)
        wire.tell(w.DONE, [1, ""])
        wire.send(w.DATA, memoryview(sent))
        wire.tell(w.END)
        wire.flush()
        thread.join(10)
    assert got == [w.DONE + b'[1,""]', w.DATA + sent, w.END + b"null"]


@pytest.mark.parametrize("first", [0, 1, 4, 5, 6, 100])
def test_a_write_that_takes_a_part_is_gone_on_with(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    taken = bytearray()

    def writev(handle: int, parts: list[bytes]) -> int:
        taken.extend(b"".join(parts)[:first])
        return first

    def write(handle: int, part: memoryview) -> int:
        taken.extend(part[:3])
        return len(part[:3])

    monkeypatch.setattr(os, "writev", writev)
    monkeypatch.setattr(os, "write", write)
    w._write_both(0, b"head.", b"p" * 200)
    assert bytes(taken) == b"head." + b"p" * 200
