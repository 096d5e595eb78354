"""Keys change over while processes of the old and the new settings run side by side (docs/deploy.md, "Secrets").

Proves: in the order that is written there, what any process has signed or sealed is accepted by every other one, at
each moment of a rolling restart; and that the order matters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise, product

import pytest

from graph.core.errors import NotAuthenticated
from graph.core.ids import uuid7
from graph.core.keys import KeyRing, generate_signing_key
from graph.core.sealing import CannotOpen, Sealer, generate_encryption_key
from graph.core.security import AccessTokens
from graph.core.settings import Settings
from graph.core.tickets import TicketClaims, sign_ticket, verify_ticket
from graph.users.oidc_state import Begun, seal, unseal
from ops.setup.deployment_secrets import public_key

OLD, NEW = generate_signing_key(), generate_signing_key()
OLD_PUBLIC, NEW_PUBLIC = public_key(OLD), public_key(NEW)


@dataclass(frozen=True)
class Step:
    """Settings of the API and of Flight at one step."""

    signing: str
    previous: str
    flight: str

    @property
    def api(self) -> Settings:
        values = {"signing_key": self.signing, "previous_signing_keys": self.previous}
        return Settings.model_validate(values)

    @property
    def verifier(self) -> KeyRing:
        return KeyRing.from_settings(Settings.model_validate({"verification_keys": self.flight}))


# as docs/deploy.md has it; before the last one an hour passes, so that nothing lives which the old key has signed
STEPS = [
    Step(OLD, "", OLD_PUBLIC),
    Step(OLD, NEW_PUBLIC, OLD_PUBLIC + NEW_PUBLIC),
    Step(NEW, OLD_PUBLIC, OLD_PUBLIC + NEW_PUBLIC),
    Step(NEW, "", NEW_PUBLIC),
]


def check(signer: Step, verifier: Step) -> None:
    """What a process of one step signs, one of another accepts: tokens, tickets, sign-ins under way."""
    ours, theirs = KeyRing.from_settings(signer.api), KeyRing.from_settings(verifier.api)
    user = uuid7()
    token, _ = AccessTokens(signer.api, ours).issue(user, uuid7(), uuid7(), "USER")
    assert AccessTokens(verifier.api, theirs).verify(token).user_id == user
    claims = TicketClaims("job", uuid7(), uuid7(), "parquet", [], int(time.time()) + 60, [], 0)
    assert verify_ticket(sign_ticket(claims, ours), verifier.verifier) == claims
    begun = Begun.new("/jobs")
    assert unseal(seal(begun, ours), theirs) == begun


@pytest.mark.parametrize("before_and_after", list(pairwise(STEPS)), ids=["first", "second", "third"])
def test_no_credential_is_refused_at_any_step(before_and_after: tuple[Step, Step]) -> None:
    for signer, verifier in product(before_and_after, repeat=2):
        check(signer, verifier)


def test_a_step_left_out_is_felt() -> None:
    with pytest.raises(NotAuthenticated):
        check(STEPS[2], STEPS[0])


def sealer(current: str, *previous: str) -> Sealer:
    values = {"encryption_key": current, "previous_encryption_keys": ",".join(previous)}
    return Sealer.from_settings(Settings.model_validate(values))


def test_every_process_opens_what_another_has_sealed() -> None:
    old, new = generate_encryption_key(), generate_encryption_key()
    steps = [sealer(old), sealer(old, new), sealer(new, old), sealer(new)]
    for pair in pairwise(steps):
        for one, other in product(pair, repeat=2):
            assert other.open(one.seal(b"secret", "webhook:1"), "webhook:1") == b"secret"
    with pytest.raises(CannotOpen):
        steps[0].open(steps[2].seal(b"secret", "webhook:1"), "webhook:1")
