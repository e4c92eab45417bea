"""Python 2's base64: text to text."""

from __future__ import annotations

import base64 as _today
from collections.abc import Callable
from typing import Any

from starcluster.python2 import to_bytes, to_text


def _of_text(function: Callable[..., bytes]) -> Callable[..., str]:
    def text(data: Any, *words: Any, **named: Any) -> str:
        return to_text(function(to_bytes(data), *map(to_bytes, words), **named))

    return text


b64encode, b64decode = _of_text(_today.b64encode), _of_text(_today.b64decode)
standard_b64encode, standard_b64decode = b64encode, b64decode
urlsafe_b64encode, urlsafe_b64decode = _of_text(_today.urlsafe_b64encode), _of_text(_today.urlsafe_b64decode)
b32encode, b32decode = _of_text(_today.b32encode), _of_text(_today.b32decode)
b16encode, b16decode = _of_text(_today.b16encode), _of_text(_today.b16decode)
encodestring, decodestring = _of_text(_today.encodebytes), _of_text(_today.decodebytes)
encode, decode = _today.encode, _today.decode
