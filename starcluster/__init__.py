"""StarCluster for Python 3, made for spot instances."""

from starcluster.oldnames import tell_of_gone_modules

__version__ = "0.1.0"
tell_of_gone_modules()
