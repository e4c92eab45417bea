"""Which settings hold a secret, and what is shown in its place."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = "(hidden)"
_SECRETS = ("secret", "passw", "proxy_pass", "token", "private_key", "api_key")
_NO_SECRETS = ("_location", "_file", "_path", "ec2_private_key")  # where a secret lies, which is none


def is_secret(name: str) -> bool:
    """Whether a setting of that name, of a plugin too, is not to be shown."""
    return any(word in name.lower() for word in _SECRETS) and not name.lower().endswith(_NO_SECRETS)


def without_secrets(settings: Mapping[str, object]) -> dict[str, object]:
    """The settings as they may be shown; a secret that is not set is no secret."""
    return {name: HIDDEN if value and is_secret(name) else value for name, value in settings.items()}


def words(value: object) -> str:
    """A dataclass as its repr, without the secrets among its fields and in mappings that they hold."""
    shown = {
        name: without_secrets(one) if isinstance(one, Mapping) else one
        for name, one in without_secrets(vars(value)).items()
    }
    return f"{type(value).__name__}({', '.join(f'{name}={one!r}' for name, one in shown.items())})"
