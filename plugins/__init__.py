"""The plugins that come with starcluster-spot: one file, one plugin; seen as starcluster.plugins."""
