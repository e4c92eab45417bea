"""The lower layers of every node: default-deny. A node sees of the host what is listed here and nothing else.

`folder/image/KEY/` holds
    root/        the skeleton that is the lower layer of a node's /
    layers/D/    our additions on top of the host's directory /D (shims, the python links)
The host's own directories are the lowest layers, read-only by nature of an overlay.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from starcluster.localcloud.hosts import etc, syscalls

# host directories that nodes see, below one writable overlay each
HOST_DIRECTORIES = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt")
# package databases: seen like the directories above, so that dpkg in a node knows what /usr holds
DATABASES = ("var/lib/dpkg", "var/lib/rpm")

PYTHON = "usr/lib/localcloud/python"

_STATOVERRIDE = "var/lib/dpkg/statoverride"

_VERSION = 1
_DIRECTORIES = {
    "boot": 0o755,
    "dev": 0o755,
    "etc": 0o755,
    "etc/apt/apt.conf.d": 0o755,
    "etc/apt/preferences.d": 0o755,
    "etc/apt/sources.list.d": 0o755,
    "etc/profile.d": 0o755,
    "etc/sudoers.d": 0o750,
    "home": 0o755,
    "media": 0o755,
    "mnt": 0o755,
    "proc": 0o755,
    "root": 0o700,
    "run": 0o755,
    "srv": 0o755,
    "sys": 0o755,
    "tmp": 0o1777,
    "var/backups": 0o755,
    "var/cache/apt/archives/partial": 0o755,
    "var/cache/debconf": 0o755,
    "var/lib/apt/lists/partial": 0o755,
    "var/lib/misc": 0o755,
    "var/lib/nfs": 0o755,
    "var/lib/pam": 0o755,
    "var/lib/ucf": 0o755,
    "var/local": 0o755,
    "var/log/apt": 0o755,
    "var/mail": 0o2775,
    "var/opt": 0o755,
    "var/spool/cron": 0o755,
    "var/tmp": 0o1777,
}
_LINKS = {"var/run": "/run", "var/lock": "/run/lock", "etc/mtab": "/proc/self/mounts"}


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One directory of a node that is an overlay: `lower` is topmost first, `name` its place below /."""

    name: str
    lower: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Image:
    """The built lower layers. `python` is the host directory to bind read-only at PYTHON, if one is needed."""

    layers: tuple[Layer, ...]
    python: str | None


def build(folder: Path, shims: Mapping[str, str], *, prune: bool) -> Image:
    """Build the image below `folder` unless an equal one is there. `shims` maps absolute paths to scripts.

    To be called in the cloud's own mount namespace: building mounts things for a moment. `prune` removes images of
    other makes, which a running node may be using.
    """
    python = python_to_show()
    target = folder / _key(shims, python)
    for other in folder.iterdir() if prune else ():
        if other != target:
            shutil.rmtree(other)
    if not target.is_dir():
        fresh = folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        _build_skeleton(fresh, shims, python)
        if python is not None and sysconfig.get_config_var("Py_ENABLE_SHARED"):
            _teach_loader(_image(fresh, python))
        fresh.rename(target)
    return _image(target, python)


def overlay_options(lower: tuple[str, ...], upper: Path | None = None, work: Path | None = None) -> str:
    """The data string of an overlay mount."""
    parts = ["lowerdir=" + ":".join(_escaped(one) for one in lower)]
    if upper is not None and work is not None:
        parts += [f"upperdir={_escaped(str(upper))}", f"workdir={_escaped(str(work))}"]
    return ",".join(parts)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _key(shims: Mapping[str, str], python: str | None) -> str:
    """What the image is made of; the loader's cache changes whenever the host's libraries do."""
    cache = Path("/etc/ld.so.cache")
    host = cache.stat().st_mtime_ns if cache.exists() else 0
    built = [dict(shims), dict(etc.built_files()), etc.COPIED, etc.COPIED_PATTERNS, _DIRECTORIES, _LINKS]
    known = json.dumps([_VERSION, python, host, built, _overrides()], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def python_to_show() -> str | None:
    """The running Python's tree when it lies where nodes do not look, as below a home."""
    prefix = os.path.realpath(sys.base_prefix)
    seen = tuple(f"/{name}" for name in HOST_DIRECTORIES)
    return None if prefix in seen or prefix.startswith(tuple(f"{one}/" for one in seen)) else prefix


def _image(target: Path, python: str | None) -> Image:
    layers = [Layer(name="", lower=(str(target / "root"),))]
    for name in HOST_DIRECTORIES:
        if _is_directory(name):
            layers.append(Layer(name=name, lower=(str(target / "layers" / name), f"/{name}")))
    for name in DATABASES:
        if _is_directory(name):
            layers.append(Layer(name=name, lower=(str(target / "root" / name), f"/{name}")))
    return Image(layers=tuple(layers), python=python)


def _is_directory(name: str) -> bool:
    return os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}")


def _build_skeleton(target: Path, shims: Mapping[str, str], python: str | None) -> None:
    root = target / "root"
    for name, mode in _DIRECTORIES.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name).chmod(mode)
    for name in (*HOST_DIRECTORIES, *DATABASES):
        _show_directory(target, name)
    for source in _copied_sources():
        _copy(source, root / source.relative_to("/"))
    for name, (text, mode) in etc.built_files().items():
        _write(root / name, text, mode)
    for name, goal in _LINKS.items():
        (root / name).symlink_to(goal)
    _write(root / "etc/ssl/private/.keep", "", 0o600)
    for path, text in {**shims}.items():
        _write(_in_layer(target, path), text, 0o755)
    if Path("/", _STATOVERRIDE).exists():
        _write(root / _STATOVERRIDE, _overrides(), 0o644)
    if python is not None:
        _link_python(target)


def _overrides() -> str:
    """The host's table of file owners less the lines that name accounts which nodes lack: dpkg would refuse to work."""
    path = Path("/", _STATOVERRIDE)
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return etc.known_overrides(lines)


def _show_directory(target: Path, name: str) -> None:
    if os.path.islink(f"/{name}"):
        (target / "root" / name).symlink_to(os.readlink(f"/{name}"))
    elif _is_directory(name):
        (target / "root" / name).mkdir(parents=True, exist_ok=True)
        (target / "layers" / name).mkdir(parents=True, exist_ok=True)


def _copied_sources() -> Iterator[Path]:
    here = Path("/etc")
    yield from (here / name for name in etc.COPIED)
    for pattern in etc.COPIED_PATTERNS:
        yield from here.glob(pattern)


def _copy(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    elif source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _in_layer(target: Path, path: str) -> Path:
    """Where a file belongs that a node is to see at `path`: a merged-usr host has /sbin as a link to usr/sbin."""
    first, _, rest = path.lstrip("/").partition("/")
    if os.path.islink(f"/{first}"):
        return _in_layer(target, f"{os.readlink(f'/{first}')}/{rest}")
    if first in HOST_DIRECTORIES and _is_directory(first):
        return target / "layers" / first / rest
    return target / "root" / first / rest


def _link_python(target: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    _in_layer(target, f"/{PYTHON}").mkdir(parents=True)
    for name in ("python3", version):
        link = _in_layer(target, f"/usr/local/bin/{name}")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/{PYTHON}/bin/{version}")
    _write(target / "root/etc/ld.so.conf.d/localcloud-python.conf", f"/{PYTHON}/lib\n", 0o644)


def _teach_loader(image: Image) -> None:
    """Add the shown Python's libraries to the loader's cache: its own run path names a directory nodes do not have."""
    root = Path(image.layers[0].lower[0])
    mounted: list[Path] = []
    try:
        for layer in image.layers[1:]:
            syscalls.mount("overlay", root / layer.name, "overlay", 0, overlay_options(layer.lower))
            mounted.append(root / layer.name)
        syscalls.mount(str(image.python), root / PYTHON, None, syscalls.MS_BIND)
        mounted.append(root / PYTHON)
        subprocess.run(["ldconfig", "-X", "-r", str(root)], check=True, capture_output=True)
    finally:
        for place in reversed(mounted):
            syscalls.umount(place, syscalls.MNT_DETACH)
