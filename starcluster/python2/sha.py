"""Python 2's sha."""

from __future__ import annotations

from starcluster.python2.hashlib import sha1

new = sha = sha1
