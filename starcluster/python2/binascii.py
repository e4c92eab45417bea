"""Python 2's binascii: text to text."""

from __future__ import annotations

import binascii as _today

from starcluster.python2.texts import of_text

Error = _today.Error
hexlify = b2a_hex = of_text(_today.hexlify)
unhexlify = a2b_hex = of_text(_today.unhexlify)
a2b_base64, b2a_base64 = of_text(_today.a2b_base64), of_text(_today.b2a_base64)
crc32 = of_text(_today.crc32)
