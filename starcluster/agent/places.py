"""Where the agent keeps what, on the node and on the shared volume."""

from __future__ import annotations

import os


class Places:
    """All paths; `root` moves them elsewhere (tests), "" is the machine itself."""

    def __init__(self, root: str = "") -> None:
        self.root = root
        self.state = root + "/var/lib/starcluster"
        self.runtime = root + "/run/starcluster"
        self.home = root + "/home"
        self.shared = self.home + "/.starcluster"
        self.socket = self.runtime + "/agent.sock"
        self.lock = self.runtime + "/agent.lock"
        self.notice = self.runtime + "/notice.json"
        self.local_report = self.runtime + "/report.json"
        self.log = self.state + "/agent.log"
        self.settings = self.state + "/settings.json"
        self.hooks = root + "/etc/starcluster"
        self.spares = self.runtime + "/spare"
        self.run_lock = self.state + "/run.lock"
        self.default_workdir = self.home

    def name_state(self, name: str) -> str:
        """What is known of the name on this instance; survives a reboot, dies with the instance."""
        return os.path.join(self.state, name)

    def drain_state(self, name: str) -> str:
        return os.path.join(self.name_state(name), "drain.json")

    def attempt(self, name: str, number: int) -> str:
        return os.path.join(self.name_state(name), str(number))

    def report(self, name: str) -> str:
        """The last report, on the shared volume, where the master reads it."""
        return os.path.join(self.shared, "nodes", name, "report.json")

    def report_beside(self, name: str) -> str:
        """That of a node which stands by to take the name over: the name's own report is another node's."""
        return os.path.join(self.shared, "nodes", name, "stands-by.json")

    def runs(self, name: str) -> str:
        return os.path.join(self.shared, "runs", name)

    def log_file(self, name: str, attempt: int) -> str:
        return os.path.join(self.runs(name), str(attempt), "log")

    def checkpoints(self, name: str) -> str:
        return os.path.join(self.shared, "checkpoints", name)

    def make(self) -> None:
        """The agent's own folders; the socket's is open to list and closed to write."""
        os.makedirs(self.state, mode=0o755, exist_ok=True)
        os.makedirs(self.runtime, mode=0o755, exist_ok=True)


def from_environment() -> Places:
    return Places(os.environ.get("STARCLUSTER_AGENT_ROOT", ""))
