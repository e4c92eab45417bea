"""StarCluster as a library: what programs import from starcluster.config, .cluster and .awsutils, over our parts."""
