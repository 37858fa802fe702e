"""Envoy's admin interface, as far as it is needed."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from typing import Any

_TIMEOUT = 30.0
"""Seconds. The admin interface answers on Envoy's main thread, which compiling a module keeps busy."""


class Admin:
    """A client of one Envoy's admin interface at `address` (`HOST:PORT`)."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.host = host
        self.port = int(port)

    def ready(self) -> bool:
        """Return whether Envoy has started all the way."""
        try:
            status, _ = self.request("GET", "/ready", timeout=_TIMEOUT)
        except OSError:
            return False
        return status == http.HTTPStatus.OK

    def stats(self, pattern: str | None = None) -> dict[str, int]:
        """Return counters and gauges by name; `pattern` is a regex (RE2) that must be found in the name."""
        query = {"format": "json", **({"filter": pattern} if pattern else {})}
        stats = self._json("/stats", query)["stats"]
        return {stat["name"]: int(stat["value"]) for stat in stats if isinstance(stat.get("value"), int)}

    def histograms(self, pattern: str | None = None) -> dict[str, dict[float, float]]:
        """Return each histogram's value at each quantile (0 to 100), over the time since the start."""
        query = {"format": "json", "usedonly": "", **({"filter": pattern} if pattern else {})}
        found: dict[str, dict[float, float]] = {}
        for stat in self._json("/stats", query)["stats"]:
            block = stat.get("histograms")
            if not isinstance(block, dict):
                continue
            quantiles = block["supported_quantiles"]
            for histogram in block["computed_quantiles"]:
                values = [value["cumulative"] or 0.0 for value in histogram["values"]]
                found[histogram["name"]] = dict(zip(quantiles, values, strict=True))
        return found

    def listeners(self) -> dict[str, tuple[str, int]]:
        """Return the address and port of each listener that is up."""
        statuses = self._json("/listeners", {"format": "json"}).get("listener_statuses", ())
        found = {}
        for status in statuses:
            address = status["local_address"].get("socket_address")
            if address:
                found[status["name"]] = (address["address"], int(address["port_value"]))
        return found

    def server_info(self) -> dict[str, Any]:
        """Return Envoy's `/server_info`."""
        return self._json("/server_info", {})

    def quit(self) -> None:
        """Ask Envoy to end."""
        self.request("POST", "/quitquitquit", timeout=_TIMEOUT)

    def request(self, method: str, path: str, *, timeout: float = _TIMEOUT) -> tuple[int, bytes]:
        """Send a request and return status and body. Raises OSError if Envoy does not answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def _json(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        status, body = self.request("GET", target)
        if status != http.HTTPStatus.OK:
            raise ConnectionError(
                f"admin {target} answered {status}: {body[:200].decode('utf-8', 'replace')}"
            )
        answer: dict[str, Any] = json.loads(body)
        return answer
