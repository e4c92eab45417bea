"""The daemon's side of the control socket: a JSON line asked, a JSON line answered."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.core.exceptions import ServiceException

from starcluster.localcloud.api.operations import Operations, UsageError

log = logging.getLogger(__name__)

LINE_LIMIT = 1 << 20
PATIENCE = 30.0


class ControlServer:
    """Answers on a Unix socket that only its owner may open. `down` is answered, then carried out."""

    def __init__(
        self, path: Path, operations: Operations, *, down: Callable[[], None], commit: Callable[[], None]
    ) -> None:
        self._path = path
        self._operations = operations
        self._down = down
        self._commit = commit
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return  # closed by stop
            threading.Thread(target=self._serve, args=(link,), name="control-call", daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError):
            link.settimeout(PATIENCE)
            with link.makefile("rb") as stream:
                line = stream.readline(LINE_LIMIT)
            link.sendall(json.dumps(self._answer(line), default=str).encode() + b"\n")

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            op = str(request.pop("op"))
            if op == "down":
                self._down()
                return {"ok": True}
            answer = self._operations.named(op)(**request)
            self._commit()
            return answer
        except ServiceException as refusal:
            return {"error": str(refusal.message), "code": str(refusal.code)}
        except UsageError as error:
            return {"error": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("control request %r: %s", line[:200], error)
            return {"error": f"wrong control request: {error}"}
