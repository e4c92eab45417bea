"""The names of StarCluster's errors."""

from __future__ import annotations

import pytest

from starcluster import exception


def test_what_only_starcluster_raised_has_its_name() -> None:
    assert exception.SnapshotDoesNotExist is exception.SnapshotDoesNotExist
    with pytest.raises(exception.InvalidHostname, match="too long"):  # as a plugin raises one
        raise exception.InvalidHostname("too long")
    with pytest.raises((exception.AMIDoesNotExist, ValueError)):
        raise ValueError
    assert issubclass(exception.NoClusterNodesFound, exception.BaseException)
    with pytest.raises(AttributeError, match="NobodysError"):
        _ = exception.NobodysError
