"""The user's config; programs find StarCluster's own names here too."""

from starcluster.oldnames import look_up


def __getattr__(name: str) -> object:
    return look_up(__name__, name)
