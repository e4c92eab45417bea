"""Client tokens: the same call twice makes one thing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starcluster.localcloud.api import errors
from starcluster.localcloud.api.world import Token, World

LENGTH = 64
LEFT_OUT = frozenset({"ClientToken", "DryRun"})


class Tokens:
    """The tokens that have been used, by action."""

    def __init__(self, world: World) -> None:
        self._world = world

    def before(self, action: str, params: Mapping[str, Any]) -> str | None:
        """What this token has made already; None if the call is to be done.

        A token of a refused call may be used again for the same parameters: EC2 binds a token to its first
        parameters whether or not the call came to anything.
        """
        token = params.get("ClientToken")
        if not token:
            return None
        if len(token) > LENGTH or not token.isascii():
            raise errors.Refusal("InvalidParameterValue", f"ClientToken must be at most {LENGTH} ASCII characters")
        known = self._world.tokens.get((action, token))
        if known is not None and known.fingerprint != fingerprint(params):
            text = (
                f"The client token you have provided is associated with a resource made with other parameters ({token})"
            )
            raise errors.Refusal("IdempotentParameterMismatch", text)
        if known is None and not params.get("DryRun"):
            self._world.tokens[action, token] = Token(fingerprint=fingerprint(params), result=None)
        return known.result if known is not None else None

    def after(self, action: str, params: Mapping[str, Any], result: str) -> None:
        """Remember what the call has made."""
        token = params.get("ClientToken")
        if token:
            self._world.tokens[action, token] = Token(fingerprint=fingerprint(params), result=result)


def fingerprint(params: Mapping[str, Any]) -> str:
    """A digest of a call's parameters, the same for the same call in every run."""
    kept = {name: value for name, value in params.items() if name not in LEFT_OUT}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()
