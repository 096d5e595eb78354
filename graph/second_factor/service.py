"""Second factors: set up, asked for at log-in, replaced by recovery codes, turned off, and reset by administrators."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, DomainError, InvalidInput, NotAuthenticated, NotFound
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.refusals import Refusals
from graph.core.sealing import CannotOpen, Sealer
from graph.core.security import new_refresh_token, token_digest
from graph.core.viewer import Viewer
from graph.mails import repository as outbox
from graph.mails.texts import RECOVERY_CODE_USED, SECOND_FACTOR_OFF, SECOND_FACTOR_ON, SECOND_FACTOR_RESET
from graph.models import AccountToken, SecondFactor, User
from graph.recovery import repository as tokens
from graph.second_factor import repository, totp
from graph.second_factor.keys import holder
from graph.users import repository as users
from graph.users.limiter import LoginLimiter
from graph.users.passwords import prove_password

LOG_IN: Final = "LOG_IN"
CHALLENGE_LIFE: Final = timedelta(minutes=5)
RECOVERY_CODES: Final = 10
_ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_GROUPS, _GROUP = 5, 5

log = structlog.get_logger(__name__)


class SecondFactorNeeded(DomainError):
    """The password was right, and a code is needed too: `challenge` stands for the first half of the log-in."""

    code = "SECOND_FACTOR_NEEDED"

    def __init__(self, challenge: str) -> None:
        super().__init__(
            "Enter the code that your authenticator app shows, or a recovery code, too (confirmLogIn).", path=["code"]
        )
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class State:
    """Since when a second factor is on, and how many recovery codes are left."""

    since: datetime
    recovery_codes_left: int


async def demand(db: Database, user: User) -> None:
    """At log-in, after the password: raise `SecondFactorNeeded` when a code is needed too."""
    async with db.system() as session:
        if not await repository.is_on(session, user.id):
            return
        challenge = new_refresh_token()
        row = AccountToken(
            user_id=user.id,
            purpose=LOG_IN,
            token_digest=token_digest(challenge),
            email=user.email,
            expires_at=await tokens.in_(session, CHALLENGE_LIFE),
        )
        await tokens.add(session, row)
    raise SecondFactorNeeded(challenge)


class SecondFactors:
    """The service. `address` is the client's network address."""

    def __init__(self, db: Database, events: Events, limiter: LoginLimiter, sealer: Sealer, refusals: Refusals) -> None:
        self._db = db
        self._events = events
        self._limiter = limiter
        self._sealer = sealer
        self._refusals = refusals

    async def state(self, user_id: UUID) -> State | None:
        """Return how a person's second factor stands; None when they have none."""
        async with self._db.system() as session:
            row = await repository.of(session, user_id)
            if row is None or row.confirmed_at is None:
                return None
            return State(row.confirmed_at, await repository.recovery_codes_left(session, user_id))

    async def answer(self, challenge: str, code: str, address: str) -> User:
        """Return whose log-in a challenge and a code complete; both are used up by it."""
        digest = token_digest(challenge)
        async with self._db.system() as session:
            user = await tokens.holder(session, LOG_IN, digest)
        if user is None:
            await self._limiter.check(email=None, address=address)
            raise InvalidInput("This log-in has taken too long. Begin anew.", code="CHALLENGE_VOID", path=["challenge"])
        await self._check_code(user, code, address)
        async with self._db.system() as session:
            if not await tokens.use(session, LOG_IN, digest):
                raise InvalidInput("This log-in is done already.", code="CHALLENGE_VOID", path=["challenge"])
        return user

    async def begin(self, viewer: Viewer, password: str, address: str) -> bytes:
        """Make a secret for the caller's app; it counts once `confirm` is given a code of it."""
        user = await self._check_password(viewer, password, address)
        secret = totp.new_secret()
        async with self._db.system() as session:
            await tokens.locked_user(session, user.id)
            if await repository.is_on(session, user.id):
                raise Conflict("A second factor is set up already. Turn it off first.", code="SECOND_FACTOR_ON")
            await repository.remove(session, user.id)
            sealed = self._sealer.seal(secret, holder(user.id))
            await repository.add(session, SecondFactor(user_id=user.id, secret_sealed=sealed))
        return secret

    async def confirm(self, viewer: Viewer, code: str, address: str) -> list[str]:
        """Turn the second factor on by a first code: returns the recovery codes, and ends all other sessions."""
        user = await self._user(viewer)
        async with self._db.system() as session:
            row = await repository.of(session, user.id)
        if row is None or row.confirmed_at is not None:
            raise Conflict("There is nothing to confirm: set the second factor up first.", code="SECOND_FACTOR_UNKNOWN")
        await self._check_code(user, code, address)
        codes = _recovery_codes()
        async with self._db.system() as session:
            row = await repository.of(session, user.id, lock=True)
            if row is None or row.confirmed_at is not None:
                raise Conflict("It was set up anew meanwhile.", code="SECOND_FACTOR_UNKNOWN")
            row.confirmed_at = await tokens.now(session)
            await repository.replace_recovery_codes(session, user.id, [_digest(each) for each in codes])
            ended = await users.revoke_sessions_of(session, user.id, "second factor", keep=viewer.session_id)
            await outbox.put(session, SECOND_FACTOR_ON, user.email, user.id)
            await _note(session, "user.second_factor_on", viewer.user_id, user.id)
        await self._announce(ended)
        return codes

    async def renew_codes(self, viewer: Viewer, password: str, code: str, address: str) -> list[str]:
        """Make new recovery codes; those of before are void."""
        user = await self._check_both(viewer, password, code, address)
        codes = _recovery_codes()
        async with self._db.system() as session:
            await repository.replace_recovery_codes(session, user.id, [_digest(each) for each in codes])
            await _note(session, "user.recovery_codes", viewer.user_id, user.id)
        return codes

    async def disable(self, viewer: Viewer, password: str, code: str, address: str) -> None:
        """Turn the second factor off; the owner is told by mail."""
        user = await self._check_both(viewer, password, code, address)
        async with self._db.system() as session:
            await repository.remove(session, user.id)
            await outbox.put(session, SECOND_FACTOR_OFF, user.email, user.id)
            await _note(session, "user.second_factor_off", viewer.user_id, user.id)

    async def reset(self, viewer: Viewer, user_id: UUID) -> None:
        """For administrators: turn somebody's second factor off and end their sessions; the owner is told by mail."""
        async with self._db.system() as session:
            user = await users.user_by_id(session, user_id)
            if user is None:
                raise NotFound.of("account")
            if not await repository.remove(session, user_id):
                raise Conflict("This account has no second factor.", code="SECOND_FACTOR_UNKNOWN", path=["id"])
            await tokens.void(session, user_id, (LOG_IN,))
            ended = await users.revoke_sessions_of(session, user_id, "second factor reset")
            await outbox.put(session, SECOND_FACTOR_RESET, user.email, user.id)
            await _note(session, "user.second_factor_reset", viewer.user_id, user_id)
        await self._announce(ended)

    async def _user(self, viewer: Viewer) -> User:
        async with self._db.system() as session:
            user = await users.user_by_id(session, viewer.user_id)
        if user is None:
            raise NotAuthenticated
        return user

    async def _check_password(self, viewer: Viewer, password: str, address: str) -> User:
        user = await self._user(viewer)
        await prove_password(self._limiter, user, password, address)
        return user

    async def _check_both(self, viewer: Viewer, password: str, code: str, address: str) -> User:
        user = await self._check_password(viewer, password, address)
        if await self.state(user.id) is None:
            raise Conflict("No second factor is set up.", code="SECOND_FACTOR_UNKNOWN")
        await self._check_code(user, code, address)
        return user

    async def _check_code(self, user: User, code: str, address: str) -> None:
        """Take a code of the app, or a recovery code, each once; guesses are counted by account and by client."""
        await self._limiter.check(email=str(user.id), address=address, kind="code")
        async with self._db.system() as session:
            row = await repository.of(session, user.id)
            right = row is not None and await self._take(session, user, row, "".join(code.split()).upper())
        if not right:
            await self._refusals.write("user.code_failed", "CODE_WRONG", actor_id=user.id)
            raise InvalidInput(
                "The code is wrong, or was used: wait for the next one. Is the clock of your device right?",
                code="CODE_WRONG",
                path=["code"],
            )
        await self._limiter.forgive(email=str(user.id), address=address, kind="code")

    async def _take(self, session: AsyncSession, user: User, row: SecondFactor, code: str) -> bool:
        if len(code) != totp.DIGITS or not code.isascii():
            used = await repository.use_recovery_code(session, user.id, _digest(code))
            if used:
                await outbox.put(session, RECOVERY_CODE_USED, user.email, user.id)
                await _note(session, "user.recovery_code_used", user.id, user.id)
            return used
        try:
            secret = self._sealer.open(row.secret_sealed, holder(user.id))
        except CannotOpen as error:
            # an operator gives the key back; until then recovery codes work
            log.error("second_factor_closed", user_id=str(user.id), error=str(error))
            return False
        step = totp.matching_step(secret, code, time.time())
        return step is not None and await repository.use_step(session, user.id, step)

    async def _announce(self, ended: list[UUID]) -> None:
        for each in ended:
            await self._events.publish(REVOKED_CHANNEL, {"id": str(each)})


async def _note(session: AsyncSession, action: str, actor_id: UUID, user_id: UUID) -> None:
    await record(session, action, actor_id=actor_id, workspace_id=None, object_type="User", object_id=user_id)


def _recovery_codes() -> list[str]:
    def group() -> str:
        return "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP))

    return ["-".join(group() for _ in range(_GROUPS)) for _ in range(RECOVERY_CODES)]


def _digest(code: str) -> bytes:
    return token_digest(code.replace("-", "").upper())
