"""The single-page app: built files from graph/static, and index.html for every path of the app itself."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent.parent / "static"
_MISSING: Final = (
    "<!doctype html><title>Karyaksham</title><p>The web app is not built here. "
    "Run <code>make web</code>, or use the API at <a href='/graphql'>/graphql</a>.</p>"
)


class SinglePageApp(StaticFiles):
    """Static files; a path without a file extension that no file has is a route of the app."""

    def __init__(self, directory: Path = STATIC) -> None:
        super().__init__(directory=directory, html=True, check_dir=False)
        self._directory = directory

    async def check_config(self) -> None:
        """The folder may be missing: `get_response` says so to people."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or index.html, never cached, so that a new version is seen at the next load."""
        index = self._directory / "index.html"
        if not index.is_file():
            return HTMLResponse(_MISSING, status_code=404)
        try:
            response = await self._packed(path, scope) or await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or "." in path.rsplit("/", 1)[-1]:
                raise
            path, response = "index.html", await super().get_response("index.html", scope)
        # built files carry a hash of their content in their name
        hashed = path.startswith("assets/")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if hashed else "no-cache"
        return response

    async def _packed(self, path: str, scope: Scope) -> Response | None:
        """Return the file that the build packed beside `path`, when there is one and the browser takes gzip."""
        if not path.startswith("assets/") or "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            return None
        packed = f"{path}.gz"
        if not self.lookup_path(packed)[1]:
            return None
        response = await super().get_response(packed, scope)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-type"] = guess_type(path)[0] or "application/octet-stream"
        response.headers.add_vary_header("accept-encoding")
        return response
