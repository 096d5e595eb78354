"""All settings of all parts, from the environment (names in capitals, no prefix).

Any setting may come from a file instead: `NAME_FILE=/run/secrets/name` (for secret stores that mount files).
`python -m graph.core.settings --env-example` prints `.env.example`, which is generated and checked for drift.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from graph.core.account_settings import AccountSettings
from graph.core.errors import ConfigurationError
from graph.core.mail_settings import MailSettings
from graph.core.name_files import NameFiles
from graph.core.oidc_settings import OidcSettings
from graph.core.retention_settings import RetentionSettings

MIB = 1024 * 1024
Network = IPv4Network | IPv6Network


def parse_networks(text: str) -> list[Network]:
    """Return the networks of a list separated by commas; `ValueError` names the first that is none."""
    return [ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]


class Settings(AccountSettings, MailSettings, OidcSettings, RetentionSettings):
    """The settings. Every part reads the same class and uses what it needs."""

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    environment: Literal["development", "production"] = Field(
        "development",
        description="production turns introspection and the GraphQL IDE off and demands https cookies.",
    )
    graphql_documents: Literal["listed", "any"] | None = Field(
        None,
        description="GraphQL documents executed for sessions and for callers who are not logged in: listed, those of "
        "the web application and of `karyaksham login`; any. Requests with an API token may always send their own. "
        "Default: listed in production, else any.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="json for collectors, console for people.")

    database_url: str = Field(
        "postgresql+asyncpg://karyaksham_app:karyaksham@localhost:5432/karyaksham",
        description="PostgreSQL 15 or newer, as the application role (not the owner of the tables, no superuser).",
        repr=False,
    )
    migration_database_url: str | None = Field(
        None,
        description="The same database as the role that owns the tables; only `karyaksham migrate` uses it. "
        "Default: DATABASE_URL.",
        repr=False,
    )
    database_pool_size: int = Field(8, ge=1, le=500, description="Connections kept open per process.")
    database_pool_overflow: int = Field(
        0,
        ge=0,
        le=500,
        description="Further connections under load per process; each is closed after use, which costs.",
    )
    redis_url: str = Field(
        "redis://localhost:6379/0", description="Redis 7 or Valkey: queue bell and live status.", repr=False
    )

    s3_endpoint_url: str | None = Field(
        None, description="Object storage as the servers reach it; empty for AWS S3 itself."
    )
    s3_public_endpoint_url: str | None = Field(
        None,
        description="Object storage as browsers reach it; its host is part of each presigned signature. "
        "Default: S3_ENDPOINT_URL.",
    )
    s3_bucket: str = Field("karyaksham", min_length=3, max_length=63, description="Bucket that holds all objects.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key_id: str | None = Field(None, description="Access key; empty to use the machine's own role.")
    s3_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key.")
    s3_addressing_style: Literal["path", "virtual"] = Field(
        "path", description="path for SeaweedFS and most self-hosted stores, virtual for AWS."
    )

    public_url: str = Field("http://localhost:8000", description="The service as browsers reach it; token issuer.")
    flight_public_url: str = Field("grpc://localhost:8815", description="Arrow Flight as clients dial it.")
    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on.")
    api_drain_seconds: float = Field(
        0,
        ge=0,
        description="On SIGTERM /readyz of the API says 503 for so long while requests are still answered, or until a "
        "second SIGTERM: more than a proxy needs to notice. 0 where something else sends them elsewhere first.",
    )
    flight_host: str = Field("127.0.0.1", description="Address the Flight server listens on.")
    flight_port: int = Field(8815, ge=0, le=65535, description="Port the Flight server listens on.")
    flight_tls_cert: str | None = Field(
        None,
        description="Certificate of the Flight server with those between it and its root, in PEM; empty for plain "
        "gRPC. FLIGHT_PUBLIC_URL then starts with grpc+tls://. FLIGHT_TLS_CERT_FILE and FLIGHT_TLS_KEY_FILE are read "
        "again when they change.",
    )
    flight_tls_key: SecretStr | None = Field(None, description="Its private key, in PEM.")
    flight_tls_client_ca: str | None = Field(
        None,
        description="Certificates, in PEM, of those who sign clients' certificates: with them the Flight server "
        "refuses clients without one (mutual TLS).",
    )
    flight_calls_per_minute: int = Field(
        1200, ge=0, le=1_000_000, description="Flight calls a minute with one token; 0 for any number."
    )
    flight_max_streams: int = Field(256, ge=1, le=100_000, description="Streams that the Flight server sends at once.")
    flight_max_streams_per_workspace: int = Field(
        128, ge=1, le=100_000, description="Streams that it sends at once of one workspace."
    )
    flight_max_streams_per_token: int = Field(
        64, ge=1, le=100_000, description="Streams that it sends at once to who calls with one token."
    )
    flight_max_message_bytes: int = Field(
        16 * MIB,
        ge=MIB,
        le=1024 * MIB,
        description="Largest message that it takes: a batch of a table that is sent to it.",
    )
    flight_spool_limit_bytes: int = Field(
        4096 * MIB,
        ge=0,
        description="Disk (in SPILL_DIR) that the Flight server may use for tables that are pulled again and for what "
        "slow clients have not taken yet; 0 for none.",
    )
    flight_max_puts: int = Field(
        4, ge=1, le=1000, description="Tables that it takes in at once; each may take some 200 MB of memory."
    )
    api_url: str = Field("http://127.0.0.1:8000", description="The API as the Flight server reaches it.")
    allowed_origins: str = Field(
        "", description="Further browser origins allowed to call the API and the storage, separated by commas."
    )

    signing_key: SecretStr | None = Field(
        None, description="Ed25519 private key (PEM) that signs access tokens and Flight tickets. Required by the API."
    )
    previous_signing_keys: str = Field(
        "", description="Ed25519 public keys (PEM, one after another) still accepted while keys rotate."
    )
    verification_keys: str = Field(
        "",
        description="Ed25519 public keys (PEM) for parts that only verify (Flight). Default: derived from SIGNING_KEY.",
    )
    encryption_key: SecretStr | None = Field(
        None,
        description="Key that secrets in the database are sealed with, 32 bytes in base64 (openssl rand -base64 32). "
        "Required by the API and workers.",
    )
    previous_encryption_keys: str | None = Field(
        None,
        description="Keys that still open what they sealed, separated by commas; workers seal it anew within a day.",
        repr=False,
    )
    admin_email: str | None = Field(None, description="Administrator made at the first start.")
    admin_password: SecretStr | None = Field(None, description="Password of that administrator, 12 characters or more.")
    access_token_seconds: int = Field(600, ge=30, le=3600, description="Life of an access token.")
    session_days: int = Field(30, ge=1, le=365, description="Life of a log-in without use.")
    login_rate_limit: int = Field(10, ge=1, description="Wrong passwords per e-mail address in LOGIN_RATE_SECONDS.")
    login_rate_limit_address: int = Field(
        300, ge=1, description="Wrong passwords and registrations per client address in LOGIN_RATE_SECONDS."
    )
    login_rate_seconds: int = Field(300, ge=1, description="Window of the log-in rate limit.")
    registration: Literal["open", "closed"] = Field("open", description="closed: only administrators add accounts.")
    trusted_proxies: str = Field(
        "", description="Addresses of proxies whose X-Forwarded-For is believed, separated by commas (* for all)."
    )

    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector (OTLP over HTTP); empty turns tracing off."
    )
    flight_metrics_port: int = Field(
        0, ge=0, le=65535, description="Prometheus port of the Flight server, also /healthz and /readyz; 0 for none."
    )
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus port of a worker; 0 for none.")

    job_memory_limit_bytes: int = Field(512 * MIB, ge=64 * MIB, description="Memory that the engine may use per job.")
    job_memory_limit_max_bytes: int = Field(
        8 * 1024 * MIB, ge=64 * MIB, description="Most memory that a job may ask for (memoryLimitBytes of runJob)."
    )
    job_time_limit_seconds: int = Field(
        86_400,
        ge=1,
        le=31_536_000,
        description="An attempt of a job ends as JOB_TIMEOUT after this; timeoutSeconds of runJob shortens it.",
    )
    job_threads: int = Field(0, ge=0, le=1024, description="Engine threads per job; 0 for one per core.")
    workspace_max_running_jobs: int = Field(
        100,
        ge=0,
        le=10_000,
        description="Jobs that a workspace runs at once; more of them wait. setWorkspaceLimits sets others.",
    )
    workspace_max_unfinished_jobs: int = Field(
        20_000, ge=0, description="Jobs of a workspace that wait or run; runJob refuses more."
    )
    workspace_max_storage_bytes: int = Field(
        1024**4,
        ge=0,
        description="What a workspace may store: data sets, results and uploads in progress; beginUpload refuses more, "
        "runJob when it is full.",
    )
    workspace_max_priority: int = Field(
        0,
        ge=-10,
        le=10,
        description="Highest priority of a workspace's jobs: above 0 they go before the normal ones of all others.",
    )
    worker_concurrency: int = Field(2, ge=1, le=256, description="Jobs that one worker runs at once.")
    worker_memory_bytes: int | None = Field(
        None,
        ge=64 * MIB,
        description="Memory that the jobs of one worker may have together; fewer run at once where it is short. "
        "Default: three quarters of what the machine or its control group has.",
    )
    worker_drain_seconds: float = Field(
        15, ge=0, description="On SIGTERM a worker finishes what it can in this time and hands the rest back."
    )
    spill_dir: str | None = Field(None, description="Where the engine spills; default: the system's temporary folder.")
    result_copies_limit_bytes: int = Field(
        0,
        ge=0,
        description="Disk (in SPILL_DIR) for copies of results, for a Flight server beside the workers; 0 for none.",
    )
    lease_seconds: int = Field(30, ge=2, description="A worker that is silent this long loses its job.")
    heartbeat_seconds: float = Field(5, gt=0, description="How often a worker renews its lease.")
    max_attempts: int = Field(3, ge=1, le=20, description="Attempts of a job before it fails for good.")

    max_upload_bytes: int = Field(50 * 1024**3, ge=1, description="Largest file that may be uploaded.")
    upload_expiry_hours: int = Field(72, ge=1, description="An unfinished upload is removed after this.")
    url_expiry_seconds: int = Field(3600, ge=60, le=604800, description="Life of a presigned URL.")
    ticket_expiry_seconds: int = Field(3600, ge=60, description="Life of an Arrow Flight ticket.")

    flight_sql_memory_limit_bytes: int = Field(
        512 * MIB,
        ge=64 * MIB,
        description="Memory that one Flight SQL statement may use; sorts, groups and joins beyond it spill to disk.",
    )
    flight_sql_time_limit_seconds: int = Field(
        300, ge=1, le=86_400, description="Work on one Flight SQL statement; waiting for a slow client does not count."
    )
    flight_sql_max_statements: int = Field(
        4, ge=1, le=1000, description="Flight SQL statements that run at once; further ones are refused, to be retried."
    )

    webhook_allowed_networks: str = Field(
        "",
        description="Networks that webhooks may reach although they are not public, separated by commas "
        "(10.1.0.0/16, 127.0.0.1/32).",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then files named by `NAME_FILE`."""
        return init_settings, env_settings, dotenv_settings, NameFiles(settings_cls), file_secret_settings

    @field_validator(
        "graphql_documents",
        "migration_database_url",
        "s3_endpoint_url",
        "s3_public_endpoint_url",
        "s3_access_key_id",
        "s3_secret_access_key",
        "signing_key",
        "encryption_key",
        "previous_encryption_keys",
        "flight_tls_cert",
        "flight_tls_key",
        "flight_tls_client_ca",
        "admin_email",
        "admin_password",
        "otel_exporter_otlp_endpoint",
        "spill_dir",
        "worker_memory_bytes",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        """`NAME=` in an env file means the default."""
        return None if value == "" else value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _asyncpg(cls, value: str | None) -> str | None:
        """Accept `postgres://` and `postgresql://` too: all connections go through asyncpg."""
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
            raise ValueError("must look like postgresql+asyncpg://user:password@host:5432/database")
        return f"postgresql+asyncpg://{rest}"

    @field_validator("public_url", "api_url", "s3_endpoint_url", "s3_public_endpoint_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("webhook_allowed_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        """Refuse at the start what could only fail later."""
        parse_networks(value)
        return value

    @property
    def webhook_networks(self) -> list[Network]:
        """WEBHOOK_ALLOWED_NETWORKS, parsed."""
        return parse_networks(self.webhook_allowed_networks)

    @property
    def owner_database_url(self) -> str:
        """URL of the role that owns the tables."""
        return self.migration_database_url or self.database_url

    @property
    def s3_public_endpoint(self) -> str | None:
        """Endpoint that goes into presigned URLs."""
        return self.s3_public_endpoint_url or self.s3_endpoint_url

    @property
    def origins(self) -> list[str]:
        """Browser origins that may call the API and the storage: the public URL and ALLOWED_ORIGINS."""
        extra = [origin.strip().rstrip("/") for origin in self.allowed_origins.split(",")]
        return list(dict.fromkeys([self.public_url, *filter(None, extra)]))

    @property
    def production(self) -> bool:
        """Whether introspection, IDE and plain-http cookies are off."""
        return self.environment == "production"

    @property
    def listed_documents_only(self) -> bool:
        """Whether those without an API token are bound to the list in `graph/documents`."""
        return self.graphql_documents == "listed" or (self.graphql_documents is None and self.production)

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers reach the service by https, so that `__Host-` cookies work."""
        return self.public_url.startswith("https://")


def load_settings() -> Settings:
    """Read the settings; a `ConfigurationError` names every variable at fault."""
    try:
        return Settings()
    except SettingsError as error:
        raise ConfigurationError(str(error.__cause__ or error)) from error
    except ValidationError as error:
        lines = [
            ": ".join(filter(None, (".".join(map(str, item["loc"])).upper(), item["msg"]))) for item in error.errors()
        ]
        raise ConfigurationError("Settings cannot be used:\n  " + "\n  ".join(lines)) from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process, read once."""
    return load_settings()


def env_example() -> str:
    """Text of `.env.example`: every variable, its meaning, its default."""
    out = [
        "# Settings of Karyaksham. Generated by `python -m graph.core.settings --env-example`: do not edit.",
        "# Any NAME may be read from a file instead: NAME_FILE=/run/secrets/name",
        "",
    ]
    # pydantic puts inherited fields first
    parts = (AccountSettings, MailSettings, OidcSettings, RetentionSettings)
    inherited = {name for part in parts for name in part.model_fields}
    for name, field in sorted(Settings.model_fields.items(), key=lambda each: each[0] in inherited):
        default = "" if field.default is None else str(field.default)
        out += [f"# {field.description}", f"{name.upper()}={default}", ""]
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    if sys.argv[1:] != ["--env-example"]:
        sys.exit("usage: python -m graph.core.settings --env-example")
    sys.stdout.write(env_example())
