"""The two ends of a copy: one runs here, the other one on the node, where it comes to by the same connection.

Standard library only, Python 3.8 or later. `sender.py` lists what there is, `receiver.py` answers what it lacks
of that, and only that is sent. `wire.py` is what they say to each other.
"""
