"""Python 2's time: clock()."""

from time import *  # noqa: F403
from time import process_time as clock  # noqa: F401
