"""paramiko without invoke.

paramiko imports invoke for "Match exec" of ssh's config file, which nobody here reads; without it every verb that
speaks to a node starts a tenth of a second sooner. Whoever imports invoke afterwards gets it.
"""

import sys

if "invoke" in sys.modules:
    import paramiko
else:
    sys.modules["invoke"] = None  # type: ignore[assignment]
    try:
        import paramiko
    finally:
        del sys.modules["invoke"]

__all__ = ["paramiko"]
