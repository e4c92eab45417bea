"""Python 2's collections, with the abstract ones among them."""

from collections import *  # noqa: F403
from collections.abc import *  # noqa: F403
