"""User data in every packing that cloud-init takes, and what nobody takes."""

import base64
import gzip
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from textwrap import indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starcluster.localcloud.hosts.cloudinit_userdata import Kind, parse

CONFIG = b"#cloud-config\nruncmd: [a]\n"
SCRIPT = b"#!/bin/sh\necho hi\n"


def multipart(*parts: MIMEText | MIMEMultipart | MIMEApplication) -> MIMEMultipart:
    whole = MIMEMultipart()
    for part in parts:
        whole.attach(part)
    return whole


@pytest.mark.parametrize(
    "packed",
    [
        CONFIG,
        b"\n" + CONFIG,
        gzip.compress(CONFIG, mtime=0),
        base64.b64encode(CONFIG),
        base64.encodebytes(gzip.compress(CONFIG, mtime=0)),
        multipart(MIMEText(CONFIG.decode(), "cloud-config")).as_bytes(),
        gzip.compress(multipart(MIMEText(CONFIG.decode(), "plain")).as_bytes()),
        multipart(MIMEApplication(gzip.compress(CONFIG, mtime=0), "gzip")).as_bytes(),
        multipart(multipart(MIMEText(CONFIG.decode(), "cloud-config"))).as_bytes(),
        b"#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    runcmd: [a]\n",
        b"#cloud-config-archive\n- |\n  #cloud-config\n  runcmd: [a]\n",
    ],
    ids=[
        "plain",
        "blank line first",
        "gzip",
        "base64",
        "gzip in base64",
        "part by its type",
        "gzip of parts",
        "gzip in a part",
        "parts in parts",
        "archive by type",
        "archive by first line",
    ],
)
def test_a_config_is_found_in_each_packing(packed: bytes) -> None:
    found = parse(packed)
    assert (found.config, found.complaints) == ({"runcmd": ["a"]}, [])


def test_parts_keep_their_kinds_names_and_order() -> None:
    script = MIMEText(SCRIPT.decode(), "x-shellscript")
    script.add_header("Content-Disposition", "attachment", filename="../first.sh")
    boot = MIMEText(SCRIPT.decode(), "x-shellscript-per-boot")
    hook = MIMEText("#cloud-boothook\necho\n", "cloud-boothook")
    found = parse(multipart(script, boot, hook).as_bytes())
    assert [(part.kind, part.name) for part in found.scripts] == [
        (Kind.SCRIPT, ".._first.sh"),
        (Kind.PER_BOOT, "part-002"),
    ]
    assert [part.name for part in found.boothooks] == ["part-003"]
    assert found.scripts[0].data == SCRIPT


def test_a_bare_script_is_one() -> None:
    assert [part.data for part in parse(SCRIPT).scripts] == [SCRIPT]


def test_later_configs_replace_keys_of_earlier_ones() -> None:
    first, second = "a: [1]\nb: {x: 1}\n", "b: {y: 2}\n"
    found = parse(multipart(MIMEText(first, "cloud-config"), MIMEText(second, "cloud-config")).as_bytes())
    assert found.config == {"a": [1], "b": {"y": 2}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello", "unhandled user data part-001"),
        (b"#include\nhttp://x/\n", "#include is refused"),
        (b"## template: jinja\n#cloud-config\n", "jinja"),
        (b"#part-handler\n", "handlers"),
        (b"#cloud-config\n[1, 2]\n", "no mapping"),
        (b"#cloud-config\na: [\n", "not valid YAML"),
        (b"#cloud-config\na: \xff\xfe\n", "not valid YAML"),
        (b"#cloud-config\n!!python/object/apply:os.system ['true']\n", "not valid YAML"),
        (b"#cloud-config-archive\nnone: 1\n", "unhandled"),
        (gzip.compress(CONFIG, mtime=0)[:-9], "cannot be unpacked"),
    ],
)
def test_what_is_not_taken_is_told(data: bytes, words: str) -> None:
    found = parse(data)
    assert len(found.complaints) == 1
    assert words in found.complaints[0]
    assert not found.config
    assert not found.scripts


@pytest.mark.parametrize("data", [b"", b"\n \n", b"#cloud-config\n", gzip.compress(b"", mtime=0)])
def test_nothing_is_no_complaint(data: bytes) -> None:
    found = parse(data)
    assert (found.config, found.scripts, found.complaints) == ({}, [], [])


def test_packing_without_end_is_not_followed() -> None:
    def packed(times: int) -> bytes:
        text = CONFIG.decode()
        for _ in range(times):
            text = "#cloud-config-archive\n- |\n" + indent(text, "  ")
        return text.encode()

    assert parse(packed(3)).config == {"runcmd": ["a"]}
    assert parse(packed(20)).config == {}


MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
BEGINNINGS = [b"", b"#cloud-config\n", b"#!", b"\x1f\x8b", MULTIPART, b"#cloud-config-archive\n- "]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=200))
def test_nothing_makes_it_raise(beginning: bytes, rest: bytes) -> None:
    parse(beginning + rest)
