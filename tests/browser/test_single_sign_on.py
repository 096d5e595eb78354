"""The drive of single sign-on: the whole service, and a real provider on another site (localhost beside 127.0.0.1)."""

from __future__ import annotations

from pathlib import Path

from tests.browser.chromium import run_drive
from tests.oidc_provider import oidc_provider
from tests.stack import clean_environment, stack_in


def test_a_person_signs_in_by_a_provider(tmp_path: Path) -> None:
    """There and back in a browser that knows SameSite; the steps are in the output when one fails."""
    with oidc_provider() as provider:
        environment = clean_environment(
            OIDC_ISSUER=provider.issuer,
            OIDC_CLIENT_ID="karyaksham",
            OIDC_CLIENT_SECRET=provider.secret,
            OIDC_NAME="Example ID",
        )
        with stack_in(tmp_path / "data", env=environment) as stack:
            provider.serve(stack.url)
            done = run_drive("sso.mjs", stack, tmp_path)
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\nscreenshots in {tmp_path}"
