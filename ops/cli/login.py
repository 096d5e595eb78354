"""`karyaksham login`."""

from __future__ import annotations

import argparse
import getpass
import json
import socket
import sys
from datetime import UTC, datetime, timedelta

from ops.cli.client import REFUSED, Login, Server
from ops.cli.errors import CommandError

_LOG_IN = """mutation($i: LogInInput!) { logIn(input: $i) {
  ... on LogInSuccess { accessToken } ... on SecondFactorNeeded { challenge }
  ... on SecondFactorSetUpNeeded { code message path } ... on InvalidInputError { code message path } } }"""
# that of versions that know no demanded second factor, which may still run beside a newer service
_LOG_IN_BEFORE = """mutation($i: LogInInput!) { logIn(input: $i) {
  ... on LogInSuccess { accessToken } ... on SecondFactorNeeded { challenge }
  ... on InvalidInputError { code message path } } }"""
_CONFIRM = f"""mutation($i: ConfirmLogInInput!) {{ confirmLogIn(input: $i) {{
  ... on ConfirmLogInSuccess {{ accessToken }} {REFUSED} }} }}"""
_TOKEN = f"""mutation($i: CreateApiTokenInput!) {{ createApiToken(input: $i) {{
  ... on CreateApiTokenSuccess {{ token }} {REFUSED} }} }}"""
# sent without an API token: a service in production executes these by its list (graph/documents)
SESSION_DOCUMENTS = [_LOG_IN, _CONFIRM, _TOKEN, _LOG_IN_BEFORE]
_ME = "query { me { email } }"
_DAYS = 90


def login(options: argparse.Namespace) -> int:
    """Log in, make a token for this machine, keep it."""
    url = options.url.rstrip("/")
    if "://" not in url:
        url = f"http://{url}" if url.startswith(("localhost", "127.")) else f"https://{url}"
    if not url.startswith(("http://", "https://")):
        raise CommandError("URL_INVALID", f"{options.url} is no http or https URL.", exit_code=2)
    if options.token_stdin:
        token = sys.stdin.readline().strip()
        email = ""
    else:
        email = options.email or _ask("E-mail: ", "EMAIL_MISSING", "--email")
        password = sys.stdin.readline().rstrip("\n") if options.password_stdin else getpass.getpass("Password: ")
        session = Server(Login(url, "")).ask(_LOG_IN, {"i": {"email": email, "password": password}})
        if "challenge" in session:
            prompt = "Code of the authenticator app, or a recovery code: "
            code = options.code or _ask(prompt, "CODE_MISSING", "--code")
            answer = {"challenge": session["challenge"], "code": code}
            session = Server(Login(url, "")).ask(_CONFIRM, {"i": answer})
        expires = datetime.now(UTC) + timedelta(days=_DAYS)
        wanted = {
            "name": f"karyaksham command on {socket.gethostname()}",
            "scopes": ["READ", "WRITE"],
            "expiresAt": expires.isoformat(),
        }
        token = Server(Login(url, session["accessToken"])).ask(_TOKEN, {"i": wanted})["token"]
    me = Server(Login(url, token)).ask(_ME)
    if me is None:
        raise CommandError("UNAUTHENTICATED", "The server does not know this token.")
    path = Login(url, token, me["email"]).save()
    if options.json:
        print(json.dumps({"url": url, "email": me["email"], "file": str(path)}))
    else:
        print(f"Logged in to {url} as {me['email']}. The token is in {path}.", file=sys.stderr)
    return 0


def _ask(prompt: str, code: str, option: str) -> str:
    if not sys.stdin.isatty():
        missing = f"Nobody is there to be asked: {prompt.rstrip(': ')}."
        raise CommandError(code, missing, hint=f"Add {option}.", exit_code=2)
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
