"""Python 2's zlib: text to text."""

from __future__ import annotations

import zlib as _today
from zlib import *  # noqa: F403

from starcluster.python2.texts import of_text

compress, decompress = of_text(_today.compress), of_text(_today.decompress)
crc32, adler32 = of_text(_today.crc32), of_text(_today.adler32)
