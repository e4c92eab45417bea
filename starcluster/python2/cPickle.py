"""Python 2's cPickle is its pickle."""

from starcluster.python2.pickle import *  # noqa: F403
from starcluster.python2.pickle import dump, dumps, load, loads

__all__ = ["dump", "dumps", "load", "loads"]
