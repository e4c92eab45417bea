"""How long the cloud's own work takes: EC2-like seconds, divided by the speed of this cloud."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_SPEED = 30.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Durations in EC2's seconds; the methods answer in seconds of the wall clock.

    The figures are what EC2 is seen to need for small machines. Time stamps stay wall time, and so does
    `forget`: how long a terminated instance is still told about.
    """

    speed: float = DEFAULT_SPEED
    boot_to_running: float = 15
    running_to_ssh: float = 25
    running_to_ok: float = 60
    stop: float = 30
    terminate: float = 40
    reboot: float = 10
    create_volume: float = 3
    attach: float = 2
    detach: float = 8
    modify_volume: float = 10
    optimize_volume: float = 60
    snapshot: float = 20
    snapshot_per_gib: float = 1
    spot_evaluation: float = 4
    notice: float = 120
    forget: float = 3600

    def wall(self, seconds: float) -> float:
        """`seconds` of EC2's time on the wall clock of this cloud."""
        return seconds / self.speed

    @property
    def boot_to_ssh(self) -> float:
        """Wall seconds from the launch to a listening sshd."""
        return self.wall(self.boot_to_running + self.running_to_ssh)

    def snapshot_time(self, size_gib: int) -> float:
        """Wall seconds until a snapshot of a volume of this size is completed."""
        return self.wall(self.snapshot + self.snapshot_per_gib * size_gib)
