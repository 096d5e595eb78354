"""Settings: every variable described, files for secrets, clear errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.core.errors import ConfigurationError
from graph.core.keys import KeyRing, generate_signing_key
from graph.core.settings import Settings, env_example, load_settings


def test_every_field_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_env_example_can_be_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for line in env_example().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(Settings.model_fields)
    for line in lines:
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)
    assert load_settings() == Settings.model_validate({})


def test_secret_from_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(generate_signing_key())
    monkeypatch.delenv("SIGNING_KEY", raising=False)
    monkeypatch.setenv("SIGNING_KEY_FILE", str(tmp_path / "key"))
    assert KeyRing.from_settings(load_settings()).kid


def test_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
    monkeypatch.setenv("ADMIN_PASSWORD_FILE", "/nowhere/secret")
    with pytest.raises(ConfigurationError, match=r"ADMIN_PASSWORD_FILE.*nowhere"):
        load_settings()


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "99999")
    monkeypatch.setenv("DATABASE_URL", "mysql://root@localhost/db")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "API_PORT" in str(caught.value)
    assert "DATABASE_URL" in str(caught.value)


def test_secrets_stay_out_of_repr() -> None:
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://app:hunter2@db/k",
            "redis_url": "redis://:hunter2@r/0",
            "s3_secret_access_key": "hunter2",
            "admin_password": "hunter2hunter2",
        }
    )
    assert "hunter2" not in repr(settings)
    assert settings.database_url.startswith("postgresql+asyncpg://")


@pytest.mark.parametrize("value", ["nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])
def test_broken_signing_key_is_a_configuration_error(value: str) -> None:
    with pytest.raises(ConfigurationError, match="SIGNING_KEY"):
        KeyRing.from_settings(Settings.model_validate({"signing_key": value}))


def test_networks_that_are_none_are_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8, 192.168.1.5,fd00::/8")
    assert [str(each) for each in load_settings().webhook_networks] == ["10.0.0.0/8", "192.168.1.5/32", "fd00::/8"]
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8,intranet")
    with pytest.raises(ConfigurationError, match=r"WEBHOOK_ALLOWED_NETWORKS.*intranet"):
        load_settings()
