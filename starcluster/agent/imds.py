"""The metadata service of this machine, version 2: what EC2 is going to do to it."""

from __future__ import annotations

import calendar
import email.utils
import http.client
import json
import time
import urllib.parse
from typing import Any

DEFAULT_BASE = "http://169.254.169.254"
_LIMIT = 2.0
_TOKEN_SECONDS = 21600
_WRONG = 5.0  # seconds that this machine's clock may be off before EC2's own is believed; that tells whole ones


class Imds:
    """One question a connection; 404 means "no news" and is None. Raises OSError when it can not be asked."""

    def __init__(self, base: str = DEFAULT_BASE) -> None:
        parts = urllib.parse.urlsplit(base)
        self._host, self._port = parts.hostname or "169.254.169.254", parts.port or 80
        self._token = ""
        self._ahead = 0.0  # EC2's clock, seen from this machine's

    def get(self, path: str) -> str | None:
        """The text under /latest/meta-data/; a token that has run out is renewed once."""
        for _ in range(2):
            if not self._token:
                self._token = self._new_token()
            status, text = self._ask("GET", "/latest/meta-data/" + path, self._header())
            if status == 401:
                self._token = ""
                continue
            if status == 404:
                return None
            if status != 200:
                raise OSError(f"the metadata service answered {status}")
            return text
        raise OSError("the metadata service takes no token")

    def _header(self) -> dict[str, str]:
        return {"X-aws-ec2-metadata-token": self._token}

    def _new_token(self) -> str:
        header = {"X-aws-ec2-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
        status, text = self._ask("PUT", "/latest/api/token", header)
        if status != 200:
            raise OSError(f"the metadata service gave no token ({status})")
        return text.strip()

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_LIMIT)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            self._ahead = _difference(answer.getheader("Date", ""))
            return answer.status, answer.read().decode("utf-8", "replace")
        except http.client.HTTPException as error:
            raise OSError(f"the metadata service speaks no HTTP: {error}") from error
        finally:
            connection.close()

    def notice(self) -> dict[str, Any] | None:
        """{"action", "left"} when EC2 is about to take the instance: in so many seconds by EC2's own clock."""
        text = self.get("spot/instance-action")
        if text is None:
            return None
        value = json.loads(text)
        now = time.time() + self._ahead
        return {"action": str(value["action"]), "left": parse_time(str(value["time"])) - now}

    def rebalance(self) -> float | None:
        """When EC2 said that the instance is at a higher risk."""
        text = self.get("events/recommendations/rebalance")
        return None if text is None else parse_time(str(json.loads(text)["noticeTime"]))


def _difference(date: str) -> float:
    """How far this machine's clock is behind a Date header; 0 when it is right."""
    try:
        ahead = email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return ahead if abs(ahead) > _WRONG else 0.0


def parse_time(text: str) -> float:
    """Seconds since 1970 of `2026-01-31T12:00:00Z`, with or without a fraction."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = float(calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")))
    return seconds + (float("0." + fraction) if fraction.isdigit() else 0.0)
