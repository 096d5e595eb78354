"""The Arrow Flight server's Python face: settings in, a running Rust server out.

No Python runs while it serves: decoding, signing checks and gRPC are in the crate `karyaksham-flight` beside this file.
"""

from __future__ import annotations

import json
import os
from typing import Any

from graph.core.copies import copies_folder
from graph.core.errors import ConfigurationError
from graph.core.keys import KeyRing
from graph.core.settings import Settings

__all__ = ["configuration", "serve"]


def configuration(settings: Settings) -> dict[str, Any]:
    """Return what the Rust server takes, from the settings (`flight/src/config.rs` says what each means).

    Only public keys go over: a stolen Flight server can read what tickets open, but make none.
    Raises `ConfigurationError` for broken keys.
    """
    secret = settings.s3_secret_access_key
    copies = copies_folder(settings)
    return {
        "tls": _tls(settings),
        "limits": {
            "callsPerMinute": settings.flight_calls_per_minute,
            "maxStreams": settings.flight_max_streams,
            "maxStreamsPerWorkspace": settings.flight_max_streams_per_workspace,
            "maxStreamsPerToken": settings.flight_max_streams_per_token,
            "maxMessageBytes": settings.flight_max_message_bytes,
            "maxPuts": settings.flight_max_puts,
            "spoolBytes": settings.flight_spool_limit_bytes,
            "spoolDir": settings.spill_dir,
            "copiesDir": None if copies is None else str(copies),
        },
        "host": settings.flight_host,
        "port": settings.flight_port,
        "metricsPort": settings.flight_metrics_port,
        "jwks": KeyRing.from_settings(settings).jwks(),
        "apiUrl": settings.api_url,
        "storage": {
            "endpoint": settings.s3_endpoint_url,
            "region": settings.s3_region,
            "bucket": settings.s3_bucket,
            "accessKeyId": settings.s3_access_key_id,
            "secretAccessKey": secret.get_secret_value() if secret else None,
            "pathStyle": settings.s3_addressing_style == "path",
        },
        "sql": {
            "memoryLimitBytes": settings.flight_sql_memory_limit_bytes,
            "timeLimitSeconds": settings.flight_sql_time_limit_seconds,
            "maxStatements": settings.flight_sql_max_statements,
            "spillDir": settings.spill_dir,
        },
    }


def _tls(settings: Settings) -> dict[str, Any] | None:
    certificate, key, client_ca = settings.flight_tls_cert, settings.flight_tls_key, settings.flight_tls_client_ca
    if certificate and key:
        files = {"certificate": _file("CERT"), "key": _file("KEY"), "clientCa": _file("CLIENT_CA")}
        return {"certificate": certificate, "key": key.get_secret_value(), "clientCa": client_ca, "files": files}
    if certificate or key or client_ca:
        # half of it must not end as plain gRPC
        raise ConfigurationError("TLS of Flight needs both FLIGHT_TLS_CERT and FLIGHT_TLS_KEY.")
    return None


def _file(name: str) -> str | None:
    """The file that a setting of TLS was read from: the server reads it again when it changes."""
    variable = f"FLIGHT_TLS_{name}"
    return None if os.environ.get(variable) else os.environ.get(f"{variable}_FILE") or None


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open streams get some seconds to end.

    Blocks, without the GIL. Raises `ConfigurationError` for settings that cannot be used (also: a port that is taken).
    """
    from engine import _engine

    config = json.dumps(configuration(settings))
    try:
        _engine.serve_flight(config, settings.log_level)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
