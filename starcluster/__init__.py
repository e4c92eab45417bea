"""StarCluster for Python 3, made for spot instances."""

__version__ = "0.1.0"
