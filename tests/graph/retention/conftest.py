"""The API on the real stack."""

from tests.graph.api_fixtures import app, services, stranger, user

__all__ = ["app", "services", "stranger", "user"]
