"""The API and workers on the real stack."""

from tests.workers.conftest import app, services, spawn_worker, start_worker, stranger, user

__all__ = ["app", "services", "spawn_worker", "start_worker", "stranger", "user"]
