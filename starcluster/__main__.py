"""`python -m starcluster`."""

import sys

from starcluster.cli import main

sys.exit(main())
