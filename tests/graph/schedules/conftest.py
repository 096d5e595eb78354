"""The API and workers on the real stack."""

from tests.workers.conftest import app, services, start_worker, stranger, user

__all__ = ["app", "services", "start_worker", "stranger", "user"]
