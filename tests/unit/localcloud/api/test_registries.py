"""What of this machine's settings nodes get to know, and what not."""

from __future__ import annotations

from pathlib import Path

import pytest

from starcluster.localcloud.api.packages import CERTIFICATES, URL, make_tree
from starcluster.localcloud.api.registries import of_machine

DEB822 = """Types: deb
# http://snapshot.example/not-used
URIs: http://mirror.example/debian https://second.example:8443/debian
Signed-By: /usr/share/keyrings/ours.gpg, /srv/keys/own.gpg
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    for name, text in {
        "etc/apt/sources.list": "deb [signed-by=/srv/keys/line.gpg] http://lines.example/debian stable main\n",
        "etc/apt/sources.list.d/more.sources": DEB822,
        "etc/apt/sources.list.d/off.list.disabled": "deb http://disabled.example/ x main\n",
        "etc/apt/sources.list.d/secret.list": "deb https://me:s3cret@private.example/ x main\n",
        "etc/apt/apt.conf.d/10proxy": 'Acquire::http::Proxy "http://apt-proxy.example:3142/";\n',
        "srv/keys/own.gpg": "own key",
        "srv/keys/line.gpg": "line key",
        "usr/share/keyrings/ours.gpg": "seen anyhow",
        "etc/pip.conf": "[global]\nindex-url = https://old.example/simple\nextra_index_url = file:///opt/wheels\n",
        "home/.config/pip/pip.conf": "[install]\nindex-url = https://index.example/simple\ncert = /srv/ca.pem\n",
        "srv/ca.pem": "a certificate",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_plain_machine_uses_pypi(tmp_path: Path) -> None:
    found = of_machine(tmp_path, {})
    assert found.https == {("pypi.org", 443), ("files.pythonhosted.org", 443)}
    assert (found.http, found.sources, found.certificates, found.proxies) == (frozenset(), {}, None, {})


def test_only_named_places_are_reached(machine: Path) -> None:
    found = of_machine(machine, {"HOME": str(machine / "home")})
    assert found.http == {("mirror.example", 80), ("lines.example", 80)}
    assert found.https == {("second.example", 8443), ("index.example", 443)}


def test_sources_with_a_password_stay_here(machine: Path) -> None:
    found = of_machine(machine, {"PIP_INDEX_URL": "https://me:s3cret@index.example/simple"})
    assert set(found.sources) == {"/etc/apt/sources.list", "/etc/apt/sources.list.d/more.sources"}
    assert "s3cret" not in str(found)
    assert not any("private" in host for host, _ in found.http | found.https)


def test_the_environment_outdoes_pips_files(machine: Path) -> None:
    environ = {"HOME": str(machine / "home"), "PIP_INDEX_URL": "http://127.0.0.1:99/simple", "PIP_CERT": ""}
    found = of_machine(machine, environ)
    assert found.pip["index-url"] == "http://127.0.0.1:99/simple"
    assert ("127.0.0.1", 99) in found.http
    assert ("pypi.org", 443) not in found.https


def test_proxies_of_the_machine_are_found(machine: Path) -> None:
    found = of_machine(machine, {"http_proxy": "http://a:1", "HTTPS_PROXY": "http://b:2", "no_proxy": "c"})
    assert found.proxies == {"http": "http://apt-proxy.example:3142/", "https": "http://b:2", "no": "c"}


def test_the_tree_for_nodes_has_that_and_nothing_else(machine: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    make_tree(of_machine(machine, {"HOME": str(machine / "home")}), tree)
    found = {f"/{path.relative_to(tree)}" for path in tree.rglob("*") if path.is_file()}
    assert found - {"/usr/local/bin/pip", "/usr/local/bin/pip3"} == {
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/more.sources",
        "/etc/apt/apt.conf.d/01localcloud-packages",
        "/etc/pip.conf",
        "/srv/keys/own.gpg",
        "/srv/keys/line.gpg",
        CERTIFICATES,
    }
    assert (tree / CERTIFICATES[1:]).read_text() == "a certificate"
    lines = (tree / "etc/pip.conf").read_text().splitlines()
    assert lines[0] == "[global]"
    assert set(lines[1:]) == {"index-url = https://index.example/simple", f"proxy = {URL}", f"cert = {CERTIFICATES}"}
