"""Python 2's fractions: gcd()."""

from fractions import *  # noqa: F403
from math import gcd as gcd
