"""What a node's agent is told of a command."""

from __future__ import annotations

from typing import Any

from starcluster.supervisor.wishes import Wish

MEGABYTE = 1 << 20
OUR_DRAIN = "rebalance"  # why a node is drained when it is not EC2 that takes it
_AS_THEY_ARE = (
    "command",
    "run_as",
    "workdir",
    "setup_command",
    "checkpoint_command",
    "checkpoint_timeout",
    "stop_timeout",
    "stop_signal_to",
    "rebalance",
)


def run_order(wish: Wish) -> dict[str, Any]:
    """The words of the agent's `run`, but for the attempt's number."""
    told = {key: getattr(wish, key) for key in _AS_THEY_ARE}
    return {**told, "environment": dict(wish.environment), "log_limit": int(wish.log_limit * MEGABYTE)}
