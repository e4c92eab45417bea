"""Python 2's sets, which are built in now."""

Set, ImmutableSet, BaseSet = set, frozenset, (set, frozenset)
