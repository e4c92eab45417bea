"""Python 2's hmac: text is signed, by MD5 unless it is told otherwise."""

from __future__ import annotations

import hmac as _today
from typing import Any

from starcluster.python2 import to_bytes
from starcluster.python2.hashlib import _Hash

compare_digest = _today.compare_digest


def new(key: Any, msg: Any = None, digestmod: Any = None) -> _Hash:
    method = "md5" if digestmod is None else getattr(digestmod, "__name__", digestmod).rpartition(".")[2]
    return _Hash(_today.new(to_bytes(key), to_bytes(msg), method))
