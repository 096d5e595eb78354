"""A second factor: set up, asked for, each code once, replaced, turned off, reset; and what guessing meets."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.applications import Starlette

from graph.context import Services
from graph.core.ids import from_global, uuid7
from graph.core.sealing import Sealer, generate_encryption_key
from graph.models import AccountToken, AuditLog, Mail, RecoveryCode
from graph.models import SecondFactor as Row
from graph.recovery.repository import NOW
from graph.second_factor.keys import seal_anew
from graph.users.authentication import Authenticator
from tests.graph.second_factor.app import Clock, code_of
from tests.graph.users.asking import CREATE_TOKEN, ME, PASSWORD, REFRESH, Browser, address

STATE = "{ secondFactor { since recoveryCodesLeft } }"
OFF = {"since": None, "recoveryCodesLeft": 0}
BEGIN = """mutation ($input: BeginSecondFactorInput!) { beginSecondFactor(input: $input) { __typename
  ... on BeginSecondFactorSuccess { secret uri qr } ... on Error { code path } } }"""
CONFIRM = """mutation ($input: ConfirmSecondFactorInput!) { confirmSecondFactor(input: $input) { __typename
  ... on ConfirmSecondFactorSuccess { recoveryCodes } ... on Error { code path } } }"""
DISABLE = """mutation ($input: DisableSecondFactorInput!) { disableSecondFactor(input: $input) { __typename
  ... on Error { code path } } }"""
RENEW = """mutation ($input: RenewRecoveryCodesInput!) { renewRecoveryCodes(input: $input) { __typename
  ... on RenewRecoveryCodesSuccess { recoveryCodes } ... on Error { code path } } }"""
RESET = """mutation ($input: ResetUserSecondFactorInput!) { resetUserSecondFactor(input: $input) { __typename
  ... on Error { code path } } }"""
LOG_IN = """mutation ($input: LogInInput!) { logIn(input: $input) { __typename
  ... on LogInSuccess { accessToken } ... on SecondFactorNeeded { challenge }
  ... on Error { code message path } } }"""
CONFIRM_LOG_IN = """mutation ($input: ConfirmLogInInput!) { confirmLogIn(input: $input) { __typename
  ... on ConfirmLogInSuccess { accessToken user { email } } ... on Error { code path } } }"""


class Person:
    """Somebody with an authenticator app."""

    def __init__(self, app: Starlette, clock: Clock) -> None:
        self.browser, self.email, self.clock = Browser(app), address(), clock
        self.token = self.secret = self.id = ""
        self.codes: list[str] = []

    async def register(self) -> Person:
        opened = await self.browser.register(self.email)
        self.token, self.id = opened["accessToken"], opened["user"]["id"]
        return self

    async def set_up(self) -> Person:
        self.secret = (await self.ask(BEGIN, password=PASSWORD))["secret"]
        self.codes = (await self.ask(CONFIRM, code=self.code()))["recoveryCodes"]
        self.clock.now += 30
        return self

    def code(self, steps: int = 0) -> str:
        return code_of(self.secret, self.clock.now, steps=steps)

    async def ask(self, document: str, **values: Any) -> Any:
        return await self.browser.ask(document, self.token, **({"input": values} if values else {}))

    async def challenge(self, browser: Browser) -> str:
        answer = await browser.ask(LOG_IN, input={"email": self.email, "password": PASSWORD})
        assert (answer["__typename"], answer["code"]) == ("SecondFactorNeeded", "SECOND_FACTOR_NEEDED")
        assert browser.last is not None
        assert "set-cookie" not in browser.last.headers
        return str(answer["challenge"])


@pytest.fixture
async def person(app: Starlette, clock: Clock) -> Person:
    return await (await Person(app, clock).register()).set_up()


async def confirm(browser: Browser, challenge: str, code: str) -> Any:
    return await browser.ask(CONFIRM_LOG_IN, input={"challenge": challenge, "code": code})


async def kinds(services: Services, email: str) -> list[str]:
    async with services.db.system() as session:
        return list(await session.scalars(select(Mail.kind).where(Mail.recipient == email).order_by(Mail.id)))


async def actions(services: Services, user_id: str) -> list[str]:
    async with services.db.system() as session:
        query = select(AuditLog.action).where(AuditLog.object_id == from_global(user_id, "User")).order_by(AuditLog.id)
        return list(await session.scalars(query))


async def test_setting_it_up_takes_the_password_and_a_code(app: Starlette, services: Services, clock: Clock) -> None:
    someone = await Person(app, clock).register()
    assert await someone.ask(STATE) == OFF
    assert (await someone.ask(BEGIN, password="wrong horse battery"))["code"] == "CREDENTIALS_WRONG"
    assert (await someone.ask(CONFIRM, code="123456"))["code"] == "SECOND_FACTOR_UNKNOWN"
    begun = await someone.ask(BEGIN, password=PASSWORD)
    someone.secret = begun["secret"]
    assert f"secret={someone.secret}&" in begun["uri"]
    assert begun["qr"].startswith("data:image/svg+xml")
    assert await someone.ask(STATE) == OFF  # not before a code has shown that the app has it
    assert (await someone.browser.log_in(someone.email))["__typename"] == "LogInSuccess"
    wrong = "000000" if someone.code() != "000000" else "111111"
    assert (await someone.ask(CONFIRM, code=wrong))["code"] == "CODE_WRONG"
    codes = (await someone.ask(CONFIRM, code=someone.code()))["recoveryCodes"]
    assert len(set(codes)) == 10
    assert all(len(each) == 29 for each in codes)
    state = await someone.ask(STATE)
    assert state["recoveryCodesLeft"] == 10
    assert (await someone.ask(BEGIN, password=PASSWORD))["code"] == "SECOND_FACTOR_ON"
    assert "SECOND_FACTOR_ON" in await kinds(services, someone.email)
    assert "user.second_factor_on" in await actions(services, someone.id)


async def test_neither_secret_nor_codes_stand_in_the_database(person: Person, services: Services) -> None:
    async with services.db.system() as session:
        key = from_global(person.id, "User")
        row = (await session.scalars(select(Row).where(Row.user_id == key))).one()
        digests = list(await session.scalars(select(RecoveryCode.code_digest).where(RecoveryCode.user_id == key)))
    secret = base64.b32decode(person.secret)
    assert secret not in row.secret_sealed
    assert services.sealer.open(row.secret_sealed, f"second-factor:{key}") == secret
    assert not any(code.replace("-", "").encode() in digest for code in person.codes for digest in digests)


async def test_setting_it_up_ends_the_other_sessions(app: Starlette, clock: Clock, listening: Authenticator) -> None:
    someone = await Person(app, clock).register()
    other = Browser(app)
    opened = await other.log_in(someone.email)
    await someone.set_up()
    assert await other.code(REFRESH) == "UNAUTHENTICATED"
    async with asyncio.timeout(60):
        while "errors" not in await other.post(ME, opened["accessToken"]):
            await asyncio.sleep(0.01)
    assert (await someone.ask(ME))["email"] == someone.email


async def test_log_in_takes_two_steps(app: Starlette, person: Person) -> None:
    browser = Browser(app)
    challenge = await person.challenge(browser)
    assert await browser.code(ME, challenge) == "UNAUTHENTICATED"  # it opens nothing by itself
    answer = await confirm(browser, challenge, f" {person.code()[:3]} {person.code()[3:]} ")
    assert answer["user"]["email"] == person.email
    assert (await browser.ask(ME, answer["accessToken"]))["email"] == person.email
    assert (await browser.ask(REFRESH))["__typename"] == "RefreshSessionSuccess"


async def test_a_wrong_password_says_nothing_of_a_second_factor(app: Starlette, person: Person) -> None:
    answer = await Browser(app).ask(LOG_IN, input={"email": person.email, "password": "wrong horse battery"})
    assert (answer["__typename"], answer["code"]) == ("InvalidInputError", "CREDENTIALS_WRONG")


async def test_a_code_is_good_once(app: Starlette, person: Person) -> None:
    code = person.code()
    first, second = Browser(app), Browser(app)
    challenges = [await person.challenge(each) for each in (first, second)]
    assert (await confirm(first, challenges[0], code))["__typename"] == "ConfirmLogInSuccess"
    # whoever looked over the shoulder
    assert await confirm(second, challenges[1], code) == {
        "__typename": "InvalidInputError",
        "code": "CODE_WRONG",
        "path": ["code"],
    }
    # nor one of a step before the last used
    assert (await confirm(second, challenges[1], person.code(-1)))["code"] == "CODE_WRONG"
    person.clock.now += 30
    assert (await confirm(second, challenges[1], person.code()))["__typename"] == "ConfirmLogInSuccess"


async def test_of_many_at_once_with_one_code_one_gets_in(app: Starlette, person: Person) -> None:
    browsers = [Browser(app) for _ in range(4)]
    challenges = [await person.challenge(each) for each in browsers]
    answers = await asyncio.gather(
        *(confirm(each, challenge, person.code()) for each, challenge in zip(browsers, challenges, strict=True))
    )
    assert sorted(each["__typename"] for each in answers) == ["ConfirmLogInSuccess"] + ["InvalidInputError"] * 3


async def test_a_challenge_is_good_once_and_not_for_long(app: Starlette, services: Services, person: Person) -> None:
    browser = Browser(app)
    challenge = await person.challenge(browser)
    assert (await confirm(browser, challenge, person.code()))["__typename"] == "ConfirmLogInSuccess"
    person.clock.now += 30
    assert (await confirm(browser, challenge, person.code()))["code"] == "CHALLENGE_VOID"
    late = await person.challenge(browser)
    async with services.db.system() as session:
        await session.execute(
            update(AccountToken)
            .where(AccountToken.user_id == from_global(person.id, "User"))
            .values(expires_at=NOW - timedelta(seconds=1))
        )
    assert (await confirm(browser, late, person.code()))["code"] == "CHALLENGE_VOID"
    assert (await confirm(browser, "made up", person.code()))["code"] == "CHALLENGE_VOID"


async def test_a_recovery_code_stands_in_once_and_the_owner_is_told(
    app: Starlette, services: Services, person: Person
) -> None:
    browser = Browser(app)
    challenge = await person.challenge(browser)
    typed = person.codes[0].lower().replace("-", " ")
    assert (await confirm(browser, challenge, typed))["__typename"] == "ConfirmLogInSuccess"
    challenge = await person.challenge(browser)
    assert (await confirm(browser, challenge, person.codes[0]))["code"] == "CODE_WRONG"
    assert (await person.ask(STATE))["recoveryCodesLeft"] == 9
    assert "RECOVERY_CODE_USED" in await kinds(services, person.email)
    renewed = await person.ask(RENEW, password=PASSWORD, code=person.code())
    assert len(renewed["recoveryCodes"]) == 10
    assert (await confirm(browser, challenge, person.codes[1]))["code"] == "CODE_WRONG"
    assert (await confirm(browser, challenge, renewed["recoveryCodes"][0]))["__typename"] == "ConfirmLogInSuccess"


async def test_codes_of_others_are_wrong(app: Starlette, person: Person) -> None:
    other = await (await Person(app, person.clock).register()).set_up()
    browser = Browser(app)
    challenge = await person.challenge(browser)
    for code in (other.code(), other.codes[0]):
        assert (await confirm(browser, challenge, code))["code"] == "CODE_WRONG"


async def test_guessing_is_slowed_down_whatever_the_challenge_and_client(
    app: Starlette, services: Services, person: Person
) -> None:
    wrong = f"{(int(person.code()) + 7) % 1_000_000:06d}"
    for _ in range(services.settings.login_rate_limit):
        browser = Browser(app)
        assert (await confirm(browser, await person.challenge(browser), wrong))["code"] == "CODE_WRONG"
    browser = Browser(app)
    values = {"challenge": await person.challenge(browser), "code": person.code()}
    assert await browser.code(CONFIRM_LOG_IN, input=values) == "RATE_LIMITED"
    other = await (await Person(app, person.clock).register()).set_up()  # others are not held up
    assert (await confirm(browser, await other.challenge(browser), other.code()))["user"]["email"] == other.email


async def test_turning_it_off_takes_password_and_code(app: Starlette, services: Services, person: Person) -> None:
    for password, code, refusal in (
        ("wrong horse battery", person.code(), "CREDENTIALS_WRONG"),
        (PASSWORD, "000000" if person.code() != "000000" else "111111", "CODE_WRONG"),
    ):
        assert (await person.ask(DISABLE, password=password, code=code))["code"] == refusal
        assert await person.ask(STATE) != OFF
    done = await person.ask(DISABLE, password=PASSWORD, code=person.code())
    assert done["__typename"] == "DisableSecondFactorSuccess"
    assert await person.ask(STATE) == OFF
    assert (await Browser(app).log_in(person.email))["__typename"] == "LogInSuccess"
    assert "SECOND_FACTOR_OFF" in await kinds(services, person.email)
    assert "user.second_factor_off" in await actions(services, person.id)


async def test_api_tokens_cannot_touch_it(person: Person) -> None:
    made = await person.ask(CREATE_TOKEN, name="n", scopes=["READ", "WRITE"])
    assert await person.browser.code(STATE, made["token"]) == "SESSION_REQUIRED"
    values = {"password": PASSWORD, "code": person.code()}
    for document in (DISABLE, RENEW):
        answer = await person.browser.ask(document, made["token"], input=values)
        assert answer["code"] == "SESSION_REQUIRED"


async def test_administrators_turn_it_off_for_who_lost_it(
    app: Starlette, services: Services, person: Person, listening: Authenticator
) -> None:
    assert (await person.ask(RESET, id=person.id))["code"] == "FORBIDDEN"
    chief = await Person(app, person.clock).register()
    admin = from_global(chief.id, "User")
    chief.token = services.tokens.issue(admin, uuid7(), uuid7(), "ADMIN")[0]
    browser = Browser(app)
    challenge = await person.challenge(browser)
    assert (await chief.ask(RESET, id=person.id))["__typename"] == "ResetUserSecondFactorSuccess"
    assert (await chief.ask(RESET, id=person.id))["code"] == "SECOND_FACTOR_UNKNOWN"
    assert await person.browser.code(REFRESH) == "UNAUTHENTICATED"
    assert (await confirm(browser, challenge, person.code()))["code"] == "CHALLENGE_VOID"
    assert (await browser.log_in(person.email))["__typename"] == "LogInSuccess"
    assert "SECOND_FACTOR_RESET" in await kinds(services, person.email)
    async with services.db.system() as session:
        query = select(AuditLog.actor_id).where(AuditLog.action == "user.second_factor_reset")
        assert admin in set(await session.scalars(query))


async def test_secrets_are_sealed_anew_when_the_key_changes(services: Services, person: Person) -> None:
    key = from_global(person.id, "User")
    old, new = services.settings.encryption_key, generate_encryption_key()
    assert old is not None
    changed = services.settings.model_copy(
        update={"encryption_key": type(old)(new), "previous_encryption_keys": old.get_secret_value()}
    )
    sealer = Sealer.from_settings(changed)

    async def sealed() -> bytes:
        async with services.db.system() as session:
            return (await session.scalars(select(Row.secret_sealed).where(Row.user_id == key))).one()

    assert await seal_anew(services.db, services.sealer) == 0
    assert await seal_anew(services.db, sealer) >= 1
    try:
        alone = Sealer.from_settings(changed.model_copy(update={"previous_encryption_keys": None}))
        assert alone.open(await sealed(), f"second-factor:{key}") == base64.b32decode(person.secret)
    finally:
        back = services.settings.model_copy(update={"previous_encryption_keys": new})
        await seal_anew(services.db, Sealer.from_settings(back))
    assert (await sealed()).startswith(services.sealer.prefix)
