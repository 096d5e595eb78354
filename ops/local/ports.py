"""Free ports on the loopback interface."""

from __future__ import annotations

import random
import socket

# Below the range from which systems take the ports of outgoing connections: nothing grabs one between choice and use.
_RANGE = range(20_000, 32_000)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class PortChooser:
    """Hands out ports; none twice."""

    def __init__(self, remembered: dict[str, int]) -> None:
        self._remembered = remembered
        self.chosen: dict[str, int] = {}

    def choose(self, name: str, preferred: int = 0, host: str = "127.0.0.1") -> int:
        """Return the preferred port, else the one remembered for this name, else any: the first that is free."""
        for port in (preferred, self._remembered.get(name, 0)):
            if port and port not in self.chosen.values() and is_free(port, host):
                self.chosen[name] = port
                return port
        for port in random.sample(_RANGE, len(_RANGE)):  # not a secret
            if port not in self.chosen.values() and is_free(port, host):
                self.chosen[name] = port
                return port
        raise OSError("no free port between 20000 and 32000")
