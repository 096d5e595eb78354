"""An installation with accounts takes migration 0007, and the version before works on beside it."""

from __future__ import annotations

from sqlalchemy import text

from graph.context import Services
from tests.graph.models.revisions import at, empty_database

NEW = {"mails", "account_tokens", "second_factors", "recovery_codes"}
TABLES = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
REGISTER = text("INSERT INTO users (id, email, name, password_hash) VALUES (gen_random_uuid(), :email, 'a', 'x')")


async def test_accounts_of_before_stay_and_the_version_before_makes_more(services: Services) -> None:
    async with empty_database(services.settings.owner_database_url) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(at, "0006")
            await connection.execute(REGISTER, {"email": "before@b"})
        async with engine.begin() as connection:
            await connection.run_sync(at, "0007")
            await connection.execute(REGISTER, {"email": "beside@b"})
            rows = await connection.execute(text("SELECT email, email_verified_at FROM users ORDER BY email"))
            assert [tuple(row) for row in rows] == [("before@b", None), ("beside@b", None)]
            assert set(await connection.scalars(TABLES)) >= NEW
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: at(sync, "0006", down=True))
            assert not set(await connection.scalars(TABLES)) & NEW
            assert await connection.scalar(text("SELECT count(*) FROM users")) == 2
