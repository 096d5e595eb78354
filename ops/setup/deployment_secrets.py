"""Secrets of a deployment, one file each: `python -m ops.setup.deployment_secrets FOLDER`.

For `ops/compose.yaml`, and for what fills a cluster's secret manager. A file that exists stays as it is, and is read
where others follow from it, so a second call only adds what a newer version needs.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization

from graph.core.keys import generate_signing_key
from ops.local.datadir import Secrets, write_private
from ops.local.parts import APP, DATABASE, OWNER, seaweed_identities, seaweed_security

# Whom Alertmanager tells is the operator's own; without the files Docker would make folders of these names.
_YOURS: Final = {
    "slack_url": "https://hooks.slack.invalid/put-yours-here\n",
    "pagerduty_key": "put-yours-here\n",
}


def make(folder: Path) -> list[str]:
    """Write what is missing; return the names of the new files.

    The folder is closed to others (0700) while its files can be read by all (0444): a container's user has another uid
    than the owner here, and sees single files mounted, never the folder.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []

    def keep(name: str, text: Callable[[], str]) -> str:
        path = folder / name
        if not path.exists():
            write_private(path, text())
            path.chmod(0o444)
            made.append(name)
        return path.read_text(encoding="utf-8").strip()

    new = Secrets.generate()
    owner = keep("postgres_password", lambda: new.database_owner_password)
    app = keep("database_app_password", lambda: new.database_app_password)
    keep("database_url", lambda: f"postgresql+asyncpg://{APP}:{app}@postgres:5432/{DATABASE}")
    keep("migration_database_url", lambda: f"postgresql+asyncpg://{OWNER}:{owner}@postgres:5432/{DATABASE}")
    redis = keep("redis_password", lambda: new.redis_password)
    keep("redis_url", lambda: f"redis://:{redis}@valkey:6379/0")
    keep("valkey_conf", lambda: _valkey(redis))
    access = keep("s3_access_key_id", lambda: new.s3_access_key_id)
    secret = keep("s3_secret_access_key", lambda: new.s3_secret_access_key)
    keep("s3_identities", lambda: seaweed_identities(access, secret))
    keep("seaweedfs_security", lambda: seaweed_security(new.s3_internal_key))
    signing = keep("signing_key", generate_signing_key)
    keep("verification_keys", lambda: public_key(signing))
    keep("encryption_key", lambda: new.encryption_key)
    keep("admin_password", lambda: new.admin_password)
    keep("grafana_password", lambda: secrets.token_urlsafe(15))
    # empty: mails are printed to the workers' log
    keep("smtp_url", str)
    # empty: a public client; with compose.oidc.yaml alone
    keep("oidc_client_secret", str)
    for name, text in _YOURS.items():
        keep(name, partial(str, text))
    return made


def public_key(private: str) -> str:
    """Return the public half of a PEM private key, for VERIFICATION_KEYS."""
    key = serialization.load_pem_private_key(private.encode(), password=None).public_key()
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _valkey(password: str) -> str:
    return (
        f'bind *\nport 6379\nrequirepass {password}\nsave ""\nappendonly no\n'
        "maxmemory 512mb\nmaxmemory-policy noeviction\n"
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the files; say which are new, and which are still missing; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ops.setup.deployment_secrets", description="Make a folder of secrets."
    )
    parser.add_argument("folder", type=Path, help="where they go, one file each; what exists is kept")
    folder = parser.parse_args(arguments).folder
    for name in make(folder):
        sys.stdout.write(f"made {folder / name}\n")
    for name in ("tls_cert", "tls_key"):
        if not (folder / name).exists():
            sys.stdout.write(f"still to be put there: {folder / name} (PEM, for $DOMAIN and s3.$DOMAIN)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
