"""StarCluster's name for the texts that plugins of queueing systems fill in."""
