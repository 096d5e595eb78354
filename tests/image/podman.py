"""Services of `ops/compose.yaml` as Podman's containers: each key of theirs becomes an option, or is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.ops.containers.composition import OPS, load
from tests.processes import PATIENCE

PREFIX = "karyaksham-check"
# crun of Debian 12 refuses machines that have both kinds of control groups
RUNTIME = ["--runtime", "runc"] if shutil.which("runc") else []
# what has no counterpart: who waits for whom is done here, and a container that ends stays as it is, to be looked at
UNUSED = frozenset(
    {"image", "build", "command", "restart", "depends_on", "ports", "stop_grace_period", "deploy", "healthcheck"}
)


class Broken(AssertionError):
    """A container did not do what it should; the message ends with its log."""


def podman(*arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Podman and wait."""
    command = ["podman", *RUNTIME, "--log-level", "error", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * PATIENCE, **options)
    if check and done.returncode:
        raise Broken(f"podman {' '.join(arguments[:3])} …: {done.stderr.strip()[-2000:]}")
    return done


@contextmanager
def networks() -> Iterator[dict[str, str]]:
    """Make the networks of the Compose file; yields the address that this machine has in each."""
    made: dict[str, str] = {}
    try:
        for name, options in load()["networks"].items():
            inner = ["--internal"] if (options or {}).get("internal") else []
            for each in (options or {}).get("ipam", {}).get("config", []):
                inner += ["--subnet", each["subnet"]]
            podman("network", "create", *inner, f"{PREFIX}-{name}")
            (told,) = json.loads(podman("network", "inspect", f"{PREFIX}-{name}").stdout)
            made[name] = str(next(ip_network(told["subnets"][0]["subnet"]).hosts()))
        yield made
    finally:
        for name in made:
            podman("network", "rm", "--force", f"{PREFIX}-{name}", check=False)


def bridges(names: Sequence[str]) -> list[str]:
    """Return the bridges of networks, as the kernel calls them."""
    told = json.loads(podman("network", "inspect", *(f"{PREFIX}-{name}" for name in names)).stdout)
    return [network["network_interface"] for network in told]


def _seconds(text: str) -> int:
    assert text.endswith("s"), text
    return int(text[:-1])


def options_of(name: str, service: Mapping[str, Any], secrets: Path) -> Iterator[str]:
    """Yield the options of `podman run` that say what the Compose file says of a service."""
    for key, value in service.items():
        match key:
            case "user":
                yield from ("--user", value)
            case "read_only":
                assert value is True
                # Podman would lay its own /tmp, /run and /var/tmp over a root that nobody writes to; Docker lays none
                yield from ("--read-only", "--read-only-tmpfs=false")
            case "init":
                yield "--init"
            case "cap_drop":
                yield from (f"--cap-drop={each}" for each in value)
            case "security_opt":
                yield from (f"--security-opt={each.partition(':')[0]}" for each in value)
            case "tmpfs":
                yield from (f"--tmpfs={each}" for each in value)
            case "environment":
                yield from (f"--env={variable}={text}" for variable, text in value.items())
            case "secrets":
                yield from (f"--volume={secrets / each}:/run/secrets/{each}:ro" for each in value)
            case "volumes":
                for each in value:
                    yield f"--volume={each['target'] if isinstance(each, dict) else each.replace('./', f'{OPS}/', 1)}"
            case "networks":
                for each in value:
                    address = (value[each] or {}).get("ipv4_address") if isinstance(value, dict) else None
                    yield f"--network={PREFIX}-{each}:alias={name}" + (f",ip={address}" if address else "")
            case _:
                assert key in UNUSED, f"what does {key} become?"
    limits = service["deploy"]["resources"]["limits"]
    yield from (f"--cpus={limits['cpus']}", f"--memory={limits['memory'].lower()}", f"--pids-limit={limits['pids']}")


@dataclass
class Container:
    """One service; `begin` starts it, `end` is SIGTERM with the grace that the Compose file gives."""

    service: str
    image: str
    settings: Mapping[str, Any]
    secrets: Path
    hosts: Mapping[str, str]
    extra: Sequence[str] = ()
    number: int = 1
    ready_after: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """Its name here."""
        return f"{PREFIX}-{self.service}-{self.number}"

    @property
    def log(self) -> str:
        """What it said."""
        done = podman("logs", self.name, check=False)
        return done.stdout + done.stderr

    def begin(self) -> Container:
        """Start it."""
        options = list(options_of(self.service, self.settings, self.secrets))
        options += [f"--add-host={host}:{address}" for host, address in self.hosts.items()]
        command = self.settings.get("command", [])
        # limits of open files as this process has them: a box may forbid to raise them
        podman("run", "--detach", "--name", self.name, "--ulimit", "host", *options, *self.extra, self.image, *command)
        return self

    def healthy(self) -> bool:
        """Ask as Docker asks: run the check in it. How long that takes is not held against a loaded machine."""
        if not self.running:
            raise self.broken("it is gone")
        kind, *command = self.settings["healthcheck"]["test"]
        assert kind == "CMD", kind
        return podman("exec", self.name, *command, check=False).returncode == 0

    def wait(self) -> Container:
        """Until it is healthy; `ready_after` says how many seconds that took."""
        began = time.monotonic()
        while not self.healthy():
            if time.monotonic() - began > PATIENCE:
                raise self.broken("it does not become healthy")
            time.sleep(0.1)
        self.ready_after = time.monotonic() - began
        return self

    def finish(self) -> None:
        """Wait for one that runs once."""
        code = podman("wait", self.name).stdout.strip()
        if code != "0":
            raise self.broken(f"exit code {code}")

    def end(self) -> float:
        """SIGTERM; it must go by itself within its grace. Returns how many seconds that took."""
        grace = _seconds(self.settings["stop_grace_period"]) if "stop_grace_period" in self.settings else 10
        began = time.monotonic()
        podman("stop", "--time", str(grace), self.name)
        took = time.monotonic() - began
        code = self.state["ExitCode"]
        # 143: ended by the signal, once everything was closed
        if code not in {0, 143}:
            raise self.broken(f"exit code {code} after {took:.1f} s")
        return took

    @property
    def state(self) -> dict[str, Any]:
        """What Podman knows."""
        (told,) = json.loads(podman("inspect", self.name).stdout)
        found: dict[str, Any] = told["State"]
        return found

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return bool(self.state["Running"])

    def execute(self, *command: str) -> str:
        """Run a command in it."""
        return podman("exec", self.name, *command).stdout

    def remove(self) -> None:
        """Kill it, and its volumes."""
        podman("rm", "--force", "--volumes", "--time", "0", self.name, check=False)

    def broken(self, what: str) -> Broken:
        """An error with the end of its log."""
        return Broken(f"{self.service}: {what}\n{self.log[-4000:]}")
