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
