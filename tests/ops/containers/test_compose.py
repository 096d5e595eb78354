"""The Compose file: by its specification, closed where it can be, and with settings and commands that exist.

No engine runs here: what Docker itself would say is not tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from graph.core.keys import KeyRing
from graph.core.settings import Settings, load_settings
from ops.cli.main import build_parser
from ops.local.datadir import DataDir, Secrets
from ops.local.parts import SEAWEED_PORTS, seaweed
from ops.setup import deployment_secrets
from tests.ops.containers.composition import COMPOSE, LOGS, OPS, load, services

SERVICES = services() | {name: each for name, each in services(LOGS).items() if "image" in each}
OURS = ("api", "worker", "flight", "migrate")
# these run once, or have nothing in their image to ask with
UNASKED = {"migrate", "storage-owner", "otel-collector", "tempo", "loki"}
VARIABLES = {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("path", [COMPOSE, LOGS], ids=lambda path: str(path.name))
def test_the_file_is_as_the_specification_says(path: Path) -> None:
    schema = json.loads((files("check_jsonschema.builtin_schemas") / "vendor/compose-spec.json").read_text("utf-8"))
    validator = validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(load(path))] == []
    assert list(validator.iter_errors({"services": {"api": {"imagge": "x"}}})), "the schema lets everything pass"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_asked_and_without_rights(name: str) -> None:
    service = SERVICES[name]
    limits = service["deploy"]["resources"]["limits"]
    assert set(limits) == {"cpus", "memory", "pids"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert service["healthcheck"] == {"disable": True} if name in UNASKED else service["healthcheck"]["test"]
    if name == "storage-owner":  # gives a new volume to uid 10002, with that one right and no network
        assert (service["cap_add"], service["network_mode"]) == (["CHOWN"], "none")
    else:
        assert "cap_add" not in service
        uid, gid = map(int, service["user"].split(":"))
        assert uid > 0
        assert gid > 0
    for volume in service.get("volumes", []):
        assert "docker.sock" not in str(volume)


def test_images_have_a_version() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            _, _, tag = service["image"].rpartition(":")
            assert any(letter.isdigit() for letter in tag), service["image"]


def test_who_is_waited_for_can_say_that_it_is_ready() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            condition = wait["condition"]
            assert other in SERVICES, (name, other)
            once = SERVICES[other]["healthcheck"] == {"disable": True}
            assert condition == ("service_completed_successfully" if once else "service_healthy"), (name, other)


def test_only_the_proxy_is_reached_from_outside() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports.pop("traefik") == ["443:8443", "80:8080"]
    for mapped in ports.values():
        assert all(port.startswith("127.0.0.1:") for port in mapped)
    networks = load()["networks"]
    inner = {name for name, options in networks.items() if options and options.get("internal")}
    assert set(networks) - inner == {"outside"}
    outside = {name for name, service in services().items() if "outside" in service.get("networks", ())}
    assert outside == {"traefik", "worker", "alertmanager", "grafana"}


@pytest.mark.parametrize("name", OURS)
def test_commands_and_variables_exist(name: str) -> None:
    service = SERVICES[name]
    assert build_parser().parse_args(service["command"]).command == name
    for variable, value in service["environment"].items():
        if variable.endswith("_FILE") and variable not in VARIABLES:
            assert variable.removesuffix("_FILE") in VARIABLES, variable
            assert value.removeprefix("/run/secrets/") in service["secrets"], variable
        else:
            assert variable in VARIABLES, variable
    read = {value.removeprefix("/run/secrets/") for value in service["environment"].values() if "/run/" in value}
    assert set(service["secrets"]) == read, "a secret that nobody reads"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    deployment_secrets.make(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_every_secret_is_made(folder: Path) -> None:
    made = {path.name for path in folder.iterdir()} | {"tls_cert", "tls_key"}
    declared = load()["secrets"]
    assert set(declared) <= made
    assert {name: each["file"] for name, each in declared.items()} == {name: f"./secrets/{name}" for name in declared}
    used = {
        each if isinstance(each, str) else each["source"]
        for service in SERVICES.values()
        for each in service.get("secrets", [])
    }
    assert used == set(declared)
    assert load(SECRETS="/srv/s")["secrets"]["tls_key"]["file"] == "/srv/s/tls_key"


@pytest.mark.parametrize("name", OURS)
def test_the_settings_can_be_used(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, value.replace("/run/secrets", str(folder)))
    settings = load_settings()
    if name == "migrate":
        assert settings.owner_database_url != settings.database_url
        return
    assert settings.production
    assert settings.secure_cookies
    assert settings.s3_secret_access_key
    ring = KeyRing.from_settings(settings)
    if name == "api":
        assert ring.signer
        assert settings.admin_email is None  # until the operator says who
    if name == "flight":
        assert ring.private is None
        monkeypatch.setenv("SIGNING_KEY_FILE", str(folder / "signing_key"))
        assert KeyRing.from_settings(load_settings()).kid in ring.public
    if name == "worker":
        # the drain ends, with some seconds for closing, before Docker kills
        assert settings.worker_drain_seconds + 15 <= float(SERVICES[name]["stop_grace_period"].removesuffix("s"))


def test_secrets_are_kept_when_they_are_made_again(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "verification_keys").unlink()
    (folder / "redis_url").unlink()
    assert sorted(deployment_secrets.make(folder)) == ["redis_url", "verification_keys"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_what_is_still_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert deployment_secrets.main([str(tmp_path / "new")]) == 0
    text = capsys.readouterr().out
    assert "tls_key" in text
    assert str(tmp_path / "new/signing_key") in text


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            source, target, *_ = volume.split(":")
            yield source, target


def test_every_file_that_is_mounted_exists_and_every_volume_is_declared() -> None:
    declared = set(load()["volumes"]) | set(load(LOGS)["volumes"])
    for name, service in (*services().items(), *services(LOGS).items()):
        for source, _ in mounts(service):
            assert (OPS / source).exists() if source.startswith("./") else source in declared, (name, source)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in SERVICES
        if any("--config" in part or "-config.file" in part for part in SERVICES[name].get("command", []))
    ],
)
def test_configurations_are_where_the_commands_look(name: str) -> None:
    overlay = services(LOGS).get(name, {})
    for part in (*SERVICES[name]["command"], *overlay.get("command", [])):
        if "config" in part and "=/etc/" in part:
            path = part.split("=", 1)[1]
            sources = [
                OPS / source / Path(path).relative_to(target)
                for source, target in mounts(SERVICES[name])
                if path.startswith(target)
            ]
            assert sources, part
            assert yaml.safe_load(sources[0].read_text(encoding="utf-8")), part


def test_prometheus_finds_what_it_scrapes() -> None:
    scrapes = yaml.safe_load((OPS / "prometheus/prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
    ports = {
        "api": Settings.model_fields["api_port"].default,
        "flight": int(SERVICES["flight"]["environment"]["FLIGHT_METRICS_PORT"]),
        "worker": int(SERVICES["worker"]["environment"]["WORKER_METRICS_PORT"]),
    }
    for scrape in scrapes:
        for names in scrape["dns_sd_configs"]:
            for name in names["names"]:
                assert "observe" in SERVICES[name]["networks"]
                assert names["port"] == ports[name]
                assert f":{ports[name]}/readyz" in " ".join(SERVICES[name]["healthcheck"]["test"])


def test_the_collector_is_sent_what_it_forwards() -> None:
    collector = yaml.safe_load((OPS / "otel/collector.yaml").read_text(encoding="utf-8"))
    assert set(collector["service"]["pipelines"]) == {"traces"}
    # OTLP over HTTP is what the exporter of graph/core/telemetry.py speaks
    assert set(collector["receivers"]["otlp"]["protocols"]) == {"http"}
    logs = yaml.safe_load((OPS / "otel/logs.yaml").read_text(encoding="utf-8"))
    for file, parts in (
        (collector, collector),
        (logs, {kind: collector[kind] | logs[kind] for kind in ("processors", "exporters", "receivers")}),
    ):
        for pipeline in file["service"]["pipelines"].values():
            for kind, names in pipeline.items():
                assert set(names) <= set(parts[kind]), names


def test_the_proxy_alone_is_believed() -> None:
    address = SERVICES["traefik"]["networks"]["proxy"]["ipv4_address"]
    assert SERVICES["api"]["environment"]["TRUSTED_PROXIES"] == address


def test_the_storage_is_started_as_the_embedded_one(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    (tmp_path / "s3").mkdir()
    part = seaweed(data, Secrets.generate(), 8333, dict.fromkeys(SEAWEED_PORTS, 0))
    addresses = (
        "-ip",
        "-dir",
        "-s3.config",
        *(f"-{name.split('.')[0]}.port{'.grpc' if '.' in name else ''}" for name in SEAWEED_PORTS),
    )
    here = {flag for flag in part.command[1:] if flag.split("=")[0] not in addresses and not flag.startswith("-ip.")}
    there = {
        flag
        for flag in SERVICES["seaweedfs"]["command"]
        if flag.split("=")[0] not in addresses and not flag.startswith("-ip.")
    }
    assert here == there
