"""Python 2's md5."""

from __future__ import annotations

from starcluster.python2.hashlib import md5

new = md5
