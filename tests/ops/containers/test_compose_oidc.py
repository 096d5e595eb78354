"""The Compose file of single sign-on: what it adds to the API, and to nothing else."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema.validators import validator_for

from graph.core.oidc_settings import OidcSettings
from graph.core.settings import load_settings
from ops.setup import deployment_secrets
from tests.ops.containers.composition import OPS, load, services

GIVEN = {"OIDC_ISSUER": "https://id.example.com", "OIDC_CLIENT_ID": "karyaksham"}
OIDC = load(OPS / "compose.oidc.yaml", **GIVEN)


def test_the_file_is_as_the_specification_says() -> None:
    schema = json.loads((files("check_jsonschema.builtin_schemas") / "vendor/compose-spec.json").read_text("utf-8"))
    assert [error.message for error in validator_for(schema)(schema).iter_errors(OIDC)] == []
    assert set(OIDC) == {"services", "secrets"}
    assert set(OIDC["services"]) == {"api"}


def test_it_gives_the_api_a_way_to_the_provider() -> None:
    added = OIDC["services"]["api"]
    assert set(added) == {"environment", "secrets", "networks"}
    assert "outside" not in services()["api"]["networks"]
    assert added["networks"] == ["outside"]


def test_every_setting_can_be_set_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment_secrets.make(tmp_path)
    environment = services()["api"]["environment"] | OIDC["services"]["api"]["environment"]
    named = {name.removesuffix("_FILE") for name in OIDC["services"]["api"]["environment"]}
    assert named == {name.upper() for name in OidcSettings.model_fields}
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(tmp_path)))
    settings = load_settings()
    assert settings.oidc_issuer == GIVEN["OIDC_ISSUER"]
    assert settings.oidc_client_secret is None  # until the operator puts it into the file
    unset = OidcSettings()
    assert {name: getattr(settings, name) for name in OidcSettings.model_fields} == {
        name: getattr(unset, name) for name in OidcSettings.model_fields
    } | {name.lower(): value for name, value in GIVEN.items()}
    (tmp_path / "oidc_client_secret").chmod(0o600)
    (tmp_path / "oidc_client_secret").write_text("a secret\n")
    secret = load_settings().oidc_client_secret
    assert secret is not None
    assert secret.get_secret_value() == "a secret"
    (declared,) = OIDC["secrets"].values()
    assert declared["file"] == "./secrets/oidc_client_secret"
