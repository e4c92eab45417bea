"""The dialect: what StarCluster's own config files say must mean the same here."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from starcluster import exception
from starcluster.config import ini


def read(tmp_path: Path, text: str) -> ini.Document:
    path = tmp_path / "config"
    path.write_text(text)
    return ini.read(str(path))


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME = value", "value"),
        ("name: value", "value"),
        ("NaMe=value", "value"),
        ("name = value # a comment", "value"),
        ("name = value ; a comment", "value"),
        ("name = val#ue", "val#ue"),
        ("name = a;b", "a;b"),
        ("name = 50%", "50%"),
        ("name = 50%%", "50%%"),
        ("name = one\n  two", "one\ntwo"),
        ("other = x\nname = a-%(OTHER)s-b", "a-x-b"),
        ("name = %(unknown)s", "%(unknown)s"),
        ("name = first\nname = last", "last"),
    ],
)
def test_a_setting(tmp_path: Path, line: str, value: str) -> None:
    assert read(tmp_path, f"[global]\n{line}\n").get("global").text("name") == value


def test_sections_of_one_name_merge(tmp_path: Path) -> None:
    section = read(tmp_path, "[global]\na = 1\nb = 1\n[key x]\n[global]\nb = 2\n").get("global")
    assert (section.text("a"), section.text("b")) == ("1", "2")


def test_an_interpolation_that_names_itself_ends(tmp_path: Path) -> None:
    assert "%(a)s" in str(read(tmp_path, "[global]\na = x%(a)s\n").get("global").text("a"))


def test_include_adds_sections_and_remembers_the_file(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("[plugin p]\nSETUP_CLASS = a.B\n")
    document = read(tmp_path, f"[global]\nINCLUDE = {tmp_path}/more\n")
    assert document.get("plugin p").file("setup_class") == f"{tmp_path}/more"


def test_a_missing_include_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigError, match=r"config \[global\] INCLUDE: .*nothing"):
        read(tmp_path, f"[global]\nINCLUDE = {tmp_path}/nothing\n")


def test_a_setting_before_any_section_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigError, match="line 1"):
        read(tmp_path, "NAME = value\n")


def test_a_line_that_is_no_setting_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigError, match="line 2"):
        read(tmp_path, "[global]\nnonsense\n")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigNotFound, match="nothing"):
        ini.read(str(tmp_path / "nothing"))


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes("[global]\n".encode("utf-16"))
    with pytest.raises(exception.ConfigError, match="not a text"):
        ini.read(str(tmp_path / "config"))


def test_a_file_from_before_utf8(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes("# für alle\r\n[plugin p]\r\ntitle = Zürich\r\n".encode("latin-1"))
    assert ini.read(str(tmp_path / "config")).get("plugin p").text("title") == "Zürich"


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(exception.ConfigError, match="directory"):
        ini.read(str(tmp_path))


def test_a_config_from_a_url() -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/config" else 404)
            self.end_headers()
            self.wfile.write(b"[global]\na = 1\n")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert ini.read(f"{url}/config").get("global").text("a") == "1"
        with pytest.raises(exception.ConfigNotFound, match="404"):
            ini.read(f"{url}/nothing")
        server.shutdown()
