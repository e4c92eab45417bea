#!/usr/bin/env python
"""python aws_train.py NODE... [train.cfg [config]]: the same as `starcluster train`."""

import sys

from starcluster.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
