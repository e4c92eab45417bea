"""The main job's cluster and record, as for the crash points."""

from __future__ import annotations

from tests.rehearsal.crash.conftest import arena, record

__all__ = ["arena", "record"]
