"""Python 2's exceptions: the built-in ones."""

import builtins as _today

StandardError = Exception
_KINDS = {name: kind for name, kind in vars(_today).items() if isinstance(kind, type)}
globals().update({name: kind for name, kind in _KINDS.items() if issubclass(kind, BaseException)})
