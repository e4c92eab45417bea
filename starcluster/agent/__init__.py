"""What runs on a node: standard library only, any Python from 3.8 on.

The package is copied to the node as one zip file (supervisor/agentlink.py) and knows nothing of EC2 but the
metadata service of its own machine.
"""
