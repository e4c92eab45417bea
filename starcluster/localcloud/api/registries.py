"""Where this machine gets its packages from: its apt sources, its pip settings, its proxies.

Only what nodes need for the same is taken: addresses and public keys. Whatever has a password in it stays here.
"""

from __future__ import annotations

import configparser
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

log = logging.getLogger(__name__)

PORTS = {"http": 80, "https": 443}
PYPI = "https://pypi.org/simple"
PYPI_FILES = "https://files.pythonhosted.org/"
_URL = re.compile(r"https?://[^\s\]\"']+")
_SIGNED_BY = re.compile(r"signed-by\s*[=:]\s*([^\]\n]+)", re.IGNORECASE)
_APT_PROXY = re.compile(r'Acquire::(https?)::Proxy\s+"([^"]*)"', re.IGNORECASE)
_PIP_SHOWN = ("index-url", "extra-index-url", "trusted-host")
_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# nodes see these already, see hosts.etc.COPIED and hosts.image.HOST_DIRECTORIES
_SEEN = ("/usr/", "/etc/apt/keyrings/", "/etc/apt/trusted.gpg.d/")

Place = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Registries:
    """What nodes may use: apt's files by path, keyrings by path in the node, the places of each scheme."""

    sources: Mapping[str, str]
    keyrings: Mapping[str, Path]
    pip: Mapping[str, str]
    certificates: Path | None
    http: frozenset[Place]
    https: frozenset[Place]
    proxies: Mapping[str, str]


def of_machine(root: Path, environ: Mapping[str, str]) -> Registries:
    """What the machine whose file system is at `root` is set up for."""
    sources = dict(_sources(root))
    pip = _pip_settings(root, environ)
    index = {name: value for name, value in pip.items() if name in _PIP_SHOWN}
    urls = [url for text in sources.values() for url in _urls(text)]
    urls += [urlsplit(word) for name in ("index-url", "extra-index-url") for word in index.get(name, "").split()]
    if index["index-url"].rstrip("/") == PYPI:
        urls.append(urlsplit(PYPI_FILES))
    places = {scheme: frozenset(_places(urls, scheme)) for scheme in PORTS}
    return Registries(
        sources=sources,
        keyrings=dict(_keyrings(root, sources.values())),
        pip=index,
        certificates=_certificates(root, environ, pip),
        http=places["http"],
        https=places["https"],
        proxies=_proxies(root, environ, pip),
    )


def _places(urls: list[SplitResult], scheme: str) -> Iterator[Place]:
    for url in urls:
        if url.scheme == scheme and url.hostname:
            yield url.hostname, url.port or PORTS[scheme]


# apt


def _sources(root: Path) -> Iterator[tuple[str, str]]:
    folder = root / "etc/apt"
    listed = (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*")))
    for path in listed:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        if any(url.username or url.password for url in _urls(text)):
            log.warning("%s has a password in it: nodes do not get it", path)
        elif _urls(text):
            yield f"/{path.relative_to(root)}", text


def _urls(text: str) -> list[SplitResult]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [urlsplit(found) for line in lines for found in _URL.findall(line)]


def _keyrings(root: Path, texts: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """Public keys that sources name and that nodes would not see otherwise."""
    named = ["/etc/apt/trusted.gpg"]
    for words in (found for text in texts for found in _SIGNED_BY.findall(text)):
        paths = re.split(r"[\s,]+", words.strip())
        named += [one for one in paths if one.startswith("/") and not one.startswith(_SEEN)]
    for name in named:
        path = root / name.lstrip("/")
        if path.is_file():
            yield name, path


# pip


def _pip_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings in pip's own order: the machine's, the user's, the named file's, the environment's."""
    settings: dict[str, str] = {}
    for path in _pip_files(root, environ):
        settings |= _pip_file(path)
    settings |= {name[4:].lower().replace("_", "-"): value for name, value in environ.items() if name[:4] == "PIP_"}
    for name in ("index-url", "extra-index-url"):
        settings[name] = " ".join(filter(_is_shown, settings.get(name, "").split()))
    settings["index-url"] = settings["index-url"] or PYPI
    return {name: value for name, value in settings.items() if value}


def _pip_files(root: Path, environ: Mapping[str, str]) -> list[Path]:
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    files = [root / "etc/xdg/pip/pip.conf", root / "etc/pip.conf"]
    if "HOME" in environ:
        home = Path(environ["HOME"])
        files += [home / ".pip/pip.conf", Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"]
    return files + ([Path(named)] if named else [])


def _pip_file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        log.warning("pip's settings in %s cannot be read: %s", path, error)
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            found |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    return found


def _is_shown(address: str) -> bool:
    url = urlsplit(address)
    if url.username or url.password:
        log.warning("the index on %s needs a password: nodes do not get it", url.hostname)
        return False
    return url.scheme in PORTS


def _certificates(root: Path, environ: Mapping[str, str], pip: Mapping[str, str]) -> Path | None:
    """The bundle of certificates that pip trusts here, if it is not its own."""
    named = [pip.get("cert", ""), *(environ.get(name, "") for name in _CERTIFICATES)]
    return next((path for one in named if one and (path := root / one.lstrip("/")).is_file()), None)


# proxies


def _proxies(root: Path, environ: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """The machine's own way out, by scheme: plain HTTP is apt's business mostly, HTTPS is pip's; and "no"."""
    apt = _apt_proxies(root)
    either = {name: environ.get(f"{name}_proxy") or environ.get(f"{name.upper()}_PROXY", "") for name in (*PORTS, "no")}
    chosen = {
        "http": apt.get("http") or either["http"],
        "https": pip.get("proxy") or either["https"] or apt.get("https", ""),
        "no": either["no"],
    }
    return {name: value for name, value in chosen.items() if value and value != "DIRECT"}


def _apt_proxies(root: Path) -> dict[str, str]:
    folder = root / "etc/apt"
    found: dict[str, str] = {}
    for path in (*sorted((folder / "apt.conf.d").glob("*")), folder / "apt.conf"):
        if path.is_file():
            found |= {scheme.lower(): url for scheme, url in _APT_PROXY.findall(path.read_text(errors="replace"))}
    return found
