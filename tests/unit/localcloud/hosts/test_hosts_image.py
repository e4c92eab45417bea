"""What nodes see of the host, decided before any node is booted."""

import ast
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from starcluster.localcloud.hosts import etc, image, init, probe, shims


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The built lower layers, without the loader's cache (which needs mounts)."""
    image._build_skeleton(tmp_path / "image", {"/sbin/poweroff": "#!/bin/sh\n"}, "/root/.pyenv/x")
    return tmp_path / "image"


def test_no_secret_of_the_host_is_copied(skeleton: Path) -> None:
    present = {str(path.relative_to(skeleton / "root")) for path in (skeleton / "root").rglob("*")}
    for name in ("etc/machine-id", "etc/apt/auth.conf", "etc/pip.conf", "etc/gitconfig", "etc/profile.d/host.sh"):
        assert name not in present
    assert not [name for name in present if "ssh_host" in name]
    assert "169.254.169.253" in (skeleton / "root/etc/resolv.conf").read_text()
    private = skeleton / "root/etc/ssl/private"
    assert [path.name for path in private.iterdir()] == [".keep"]


def test_what_may_be_copied_names_nothing_private() -> None:
    private = ("passwd", "shadow", "ssh", "resolv", "hosts", "sudoers", "environment", "auth", "private", "default")
    for name in etc.COPIED:
        assert not any(word in name for word in private), name


def test_users_are_ours_alone(skeleton: Path) -> None:
    lines = (skeleton / "root/etc/passwd").read_text().splitlines()
    names = [line.split(":")[0] for line in lines]
    assert names[0] == "root"
    assert "nobody" in names
    host = {line.split(":")[0]: line.split(":") for line in Path("/etc/passwd").read_text().splitlines()}
    people = {name for name, fields in host.items() if 1000 <= int(fields[2]) < 60000}
    assert not people & set(names)
    assert (skeleton / "root/etc/shadow").read_text().startswith("root:*:")
    assert (skeleton / "root/etc/shadow").stat().st_mode & 0o777 == 0o640


def test_homes_are_empty_and_private(skeleton: Path) -> None:
    for name in ("home", "mnt", "srv", "media", "tmp", "run", "proc", "sys", "dev", "boot"):
        assert list((skeleton / "root" / name).iterdir()) == []
    assert (skeleton / "root/root").stat().st_mode & 0o777 == 0o700
    assert (skeleton / "root/tmp").stat().st_mode & 0o7777 == 0o1777


def test_shims_lie_on_top_of_the_directory_that_sbin_leads_to(skeleton: Path) -> None:
    (found,) = skeleton.rglob("poweroff")
    expected = "layers/usr/sbin" if Path("/sbin").is_symlink() else "layers/sbin"
    assert str(found.parent.relative_to(skeleton)) == expected
    assert found.stat().st_mode & 0o777 == 0o755


def test_python_is_linked_where_every_user_finds_it(skeleton: Path) -> None:
    link = skeleton / "layers/usr/local/bin/python3"
    assert str(link.readlink()).startswith("/usr/lib/localcloud/python/bin/python3.")


def test_directories_of_the_host_are_seen_through_overlays_only() -> None:
    layers = image._image(Path("/image"), None).layers
    assert {layer.name for layer in layers[1:]} <= {*image.HOST_DIRECTORIES, *image.DATABASES}
    for layer in layers[1:]:
        assert layer.lower[-1] == f"/{layer.name}"
    assert layers[0].lower == ("/image/root",)


def test_paths_with_separators_are_escaped() -> None:
    options = image.overlay_options(("/a:b", "/c"), Path("/d,e"), Path("/f"))
    assert options == "lowerdir=/a\\:b:/c,upperdir=/d\\,e,workdir=/f"


def test_another_shim_makes_another_image() -> None:
    keys = {image._key(texts, python) for texts in ({}, {"/a": "x"}) for python in (None, "/p")}
    assert len(keys) == 4


@pytest.mark.parametrize("python", [None, "/root/.pyenv/x"])
def test_every_shim_is_a_program_of_its_language(python: str | None) -> None:
    for path, text in shims.texts(python).items():
        first = text.splitlines()[0]
        if "python" in first:
            ast.parse(text)
            assert first.startswith("#!/")
        else:
            assert first == "#!/bin/sh", path
            subprocess.run(["sh", "-n"], input=text, text=True, check=True)


@pytest.fixture
def shutdown(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """The node's shutdown, which sends its signal into a file; what is in there, and what it waits for."""
    text = shims.texts(None)["/sbin/shutdown"].replace("/run/localcloud", str(tmp_path / "run"))
    program = tmp_path / "shutdown"
    program.write_text(text.replace("kill -$signal 1", f"echo $signal >> {tmp_path}/sent"))
    sent, waiting = tmp_path / "sent", tmp_path / "run" / "shutdown"

    def call(*words: str) -> str:
        subprocess.run(["sh", str(program), *words], check=True, timeout=10)
        if sent.exists():
            return sent.read_text().strip()
        if words == ("-c",):
            return "nothing" if waiting.exists() else "called off"
        for _ in range(200):
            if waiting.exists() and waiting.read_text():
                group = waiting.read_text().strip()
                words_of = ["ps", "-o", "args=", "--sid", group]
                told = subprocess.run(words_of, capture_output=True, text=True, check=False)
                slept = [line for line in told.stdout.splitlines() if line.startswith("sleep")]
                if slept:
                    return slept[0]
            time.sleep(0.05)
        return "nothing"

    yield call
    subprocess.run(["sh", str(program), "-c"], check=True, timeout=10)


@pytest.mark.parametrize(
    ("words", "does"),
    [
        (("-h", "now"), "USR1"),
        ((), "USR1"),
        (("-r", "now", "words"), "INT"),
        (("-P", "+0"), "USR1"),
        (("-h", "+235", "a", "dead", "man's", "switch"), "sleep 235m"),
    ],
)
def test_shutdown_heeds_its_time(shutdown: Callable[..., str], words: tuple[str, ...], does: str) -> None:
    assert shutdown(*words) == does


def test_shutdown_at_a_time_of_the_day_is_within_a_day(shutdown: Callable[..., str]) -> None:
    later = datetime.now() + timedelta(hours=2, minutes=1)
    assert shutdown("-h", f"{later:%H:%M}") in ("sleep 120m", "sleep 121m")


def test_shutdown_is_called_off_and_put_off(shutdown: Callable[..., str]) -> None:
    assert shutdown("+10") == "sleep 10m"
    assert shutdown("+20") == "sleep 20m"
    assert shutdown("-c") == "called off"


def test_dangerous_capabilities_are_not_kept() -> None:
    numbers = {"DAC_READ_SEARCH": 2, "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_BOOT": 22, "SYS_TIME": 25, "MKNOD": 27}
    numbers |= {"AUDIT_CONTROL": 30, "MAC_OVERRIDE": 32, "MAC_ADMIN": 33, "SYSLOG": 34, "BPF": 39}
    for name, number in numbers.items():
        assert not init.KEPT_CAPABILITIES >> number & 1, name
    for name, number in {"CHOWN": 0, "SETUID": 7, "NET_ADMIN": 12, "SYS_ADMIN": 21, "SETFCAP": 31}.items():
        assert init.KEPT_CAPABILITIES >> number & 1, name


# the machine


def test_this_machine_lacks_nothing() -> None:
    assert probe.missing() == []


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_has", lambda program: program != "mkfs.ext4")
    monkeypatch.setattr("platform.release", lambda: "4.19.0-1-amd64")
    lacks = probe.missing()
    assert any("5.3" in one and "4.19.0-1-amd64" in one for one in lacks)
    assert any("mkfs.ext4 (package e2fsprogs)" in one for one in lacks)
    assert "; ".join(lacks) in probe.message(lacks)


def test_an_ordinary_user_is_told_that_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert any("root" in one for one in probe.missing())


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.18.44-fc", (6, 18)), ("5.15.0-1071-aws", (5, 15)), ("5.8", (5, 8)), ("odd", (0, 0))],
)
def test_kernel_releases_are_read(release: str, version: tuple[int, int]) -> None:
    assert probe.kernel_version(release) == version


def test_owners_that_nodes_lack_leave_dpkgs_table() -> None:
    lines = ["root ssl-cert 710 /etc/ssl/private", "root mail 2755 /usr/bin/x", "#0 #0 755 /y", "nosuch root 1 /z"]
    assert etc.known_overrides(lines) == "root mail 2755 /usr/bin/x\n#0 #0 755 /y\n"
