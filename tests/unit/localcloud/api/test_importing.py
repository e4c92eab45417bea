"""Imports without the garbage collector, and with each of botocore's files read once."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from starcluster.localcloud.api import importing


@pytest.fixture(autouse=True)
def _nothing_stays_frozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def write(file: Path, number: int) -> None:
    file.with_suffix(".json").write_text(json.dumps({"number": number}))


def fail_to_import(collecting: list[bool]) -> None:
    collecting.append(gc.isenabled())
    raise ImportError("no moto")


def test_a_file_is_read_once_by_all_loaders_and_anew_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "endpoints"
    write(file, 1)
    with importing.quickly():
        assert JSONFileLoader().load_file(str(file)) == {"number": 1}
        write(file, 2)
        assert JSONFileLoader().load_file(str(file)) == {"number": 1}
        assert JSONFileLoader().load_file(str(tmp_path / "other")) is None
    assert JSONFileLoader().load_file(str(file)) == {"number": 2}


def test_garbage_is_collected_again_also_when_an_import_fails() -> None:
    whole, meanwhile = JSONFileLoader.load_file, list[bool]()
    with pytest.raises(ImportError), importing.quickly():
        fail_to_import(meanwhile)
    assert meanwhile == [False]
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    assert JSONFileLoader.load_file is whole
