"""The documents that browsers may have executed: the allow-list in `graph/documents`, which `make codegen` writes.

In production a session or an anonymous caller sends the hash of a listed document, or its very text; nothing else is
parsed for them. An API token is the key of a program, whose author writes documents of their own: they stay free.
The request carries the hash where Apollo and urql put it: `extensions.persistedQuery.sha256Hash`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from graph.context import Context
from graph.core.errors import TopLevelError

FOLDER: Final = Path(__file__).parent.parent / "documents"


class DocumentRefused(TopLevelError):
    """The document is not on the list, or no document has the hash."""


def digest(text: str) -> str:
    """Return the SHA-256 of a document, in lower-case hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_documents(folder: Path = FOLDER) -> dict[str, str]:
    """Return the texts of all lists in a folder by their hash."""
    texts: list[str] = [text for path in sorted(folder.glob("*.json")) for text in orjson.loads(path.read_bytes())]
    return {digest(text): text for text in texts}


class Documents:
    """The allow-list; `listed_only` says whether it binds those without an API token."""

    def __init__(self, texts: Mapping[str, str], *, listed_only: bool) -> None:
        self._texts = texts
        self._listed_only = listed_only

    def text(self, query: str | None, extensions: object, context: Context) -> str | None:
        """Return the document to execute; without a hash and a rule, what was sent.

        Raises `DocumentRefused`, and the reason why the credentials were refused where that explains it better.
        """
        sent = query or None
        wanted = _hash(extensions)
        if sent is None and wanted is not None:
            text = self._texts.get(wanted)
            if text is None:
                raise DocumentRefused(
                    "This version of the service knows no document with this hash. Load the page again.",
                    code="PERSISTED_QUERY_NOT_FOUND",
                )
            return text
        if not self._listed_only or sent is None or self._is_program(context):
            return sent
        if digest(sent) not in self._texts:
            raise context.auth_error or DocumentRefused(
                "Only documents of the web application are executed here. Send an API token to use your own.",
                code="PERSISTED_QUERY_NOT_IN_LIST",
            )
        return sent

    @staticmethod
    def _is_program(context: Context) -> bool:
        return context.viewer is not None and context.viewer.token_id is not None


def _hash(extensions: object) -> str | None:
    """Return `persistedQuery.sha256Hash` of the extensions of a request, when it is text."""
    persisted: Any = extensions.get("persistedQuery") if isinstance(extensions, Mapping) else None
    value = persisted.get("sha256Hash") if isinstance(persisted, Mapping) else None
    return value if isinstance(value, str) else None
