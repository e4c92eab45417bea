"""What plugins write into files on nodes."""

from __future__ import annotations

import io
from pathlib import Path

from starcluster.python2 import open as open_as_python_2
from starcluster.ssh.remotefile import RemoteFile


def test_bytes_that_are_no_text_arrive_as_they_were(tmp_path: Path) -> None:
    data = b"zo\xc3\xab\n\xff\x00\xfe"
    (tmp_path / "picture").write_bytes(data)
    node = io.BytesIO()
    with open_as_python_2(tmp_path / "picture", "rb") as picture:
        text = picture.read()
    file = RemoteFile(node, "/picture", None)  # type: ignore[arg-type]
    file.write(text)
    file.writelines([text, b"\xfe", "ë"])
    assert node.getvalue() == data + data + b"\xfe" + "ë".encode()


def test_lines_end_with_newlines_only() -> None:
    data = b"a\r\nb\x0cc\xc2\x85d\x1ce\n\nlast"
    file = RemoteFile(io.BytesIO(data), "/text", None)  # type: ignore[arg-type]
    assert file.readlines() == ["a\r\n", "b\x0cc\x85d\x1ce\n", "\n", "last"]
    assert RemoteFile(io.BytesIO(data), "/text", None, binary=True).readlines()[0] == b"a\r\n"  # type: ignore[arg-type]
    assert RemoteFile(io.BytesIO(b""), "/text", None).readlines() == []  # type: ignore[arg-type]


def test_what_is_no_text_stays_what_it_was() -> None:
    data, copy = b"caf\xe9 \xff\n", io.BytesIO()
    text = RemoteFile(io.BytesIO(data), "/text", None).read()  # type: ignore[arg-type]
    RemoteFile(copy, "/copy", None).write(text)  # type: ignore[arg-type]
    assert copy.getvalue() == data
