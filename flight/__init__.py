"""The Arrow Flight server's Python face: settings in, a running Rust server out.

No Python runs while it serves: decoding, signing checks and gRPC are in the crate `karyaksham-flight` beside this file.
"""

from __future__ import annotations

import json
from typing import Any

from graph.core.keys import KeyRing
from graph.core.settings import Settings

__all__ = ["configuration", "serve"]


def configuration(settings: Settings) -> dict[str, Any]:
    """Return what the Rust server takes, from the settings (`flight/src/config.rs` says what each means).

    Only public keys go over: a stolen Flight server can read what tickets open, but make none.
    Raises `ConfigurationError` for broken keys.
    """
    secret = settings.s3_secret_access_key
    return {
        "host": settings.flight_host,
        "port": settings.flight_port,
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


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; open streams get some seconds to end.

    Blocks, without the GIL. Raises `ConfigurationError` for settings that cannot be used (also: a port that is taken).
    """
    from engine import _engine
    from graph.core.errors import ConfigurationError

    config = json.dumps(configuration(settings))
    try:
        _engine.serve_flight(config, settings.log_level)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
