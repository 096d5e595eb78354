"""Fixtures for all tests: the real backends, and the real service on them, each started once per session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.stack import Account, Backends, Stack, backends_in, clean_environment, stack_in

# The same examples on every run, however slow the machine; `--hypothesis-profile default` draws new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def _backends_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    with backends_in(tmp_path_factory.mktemp("backends") / "data") as backends:
        yield backends


@pytest.fixture(scope="session")
async def backends(_backends_process: Backends) -> Backends:
    """PostgreSQL (migrated), Valkey and SeaweedFS with its bucket; `backends.settings` and os.environ name them."""
    from graph.core.storage import Storage

    async with await Storage.open(_backends_process.settings) as storage:
        await storage.ensure_bucket_and_cors(_backends_process.settings.origins)
    return _backends_process


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole service, `karyaksham up` with one worker; share it, make no faults in it."""
    # a drive of the browser receives webhooks on this machine
    environment = clean_environment(WEBHOOK_ALLOWED_NETWORKS="127.0.0.1/32")
    with stack_in(tmp_path_factory.mktemp("stack") / "data", env=environment) as running:
        yield running


@pytest.fixture
def user(stack: Stack) -> Account:
    """A new person on the whole service."""
    return stack.register()
