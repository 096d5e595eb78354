"""Files that the build packed: served to browsers that take gzip, as what they are, and to nobody else."""

from __future__ import annotations

import gzip
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from graph.http.spa import SinglePageApp

SCRIPT = b"export const answer = 42;\n" * 100


async def test_packed_files_go_to_those_who_take_them(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text("<title>app</title>")
    (assets / "main-1a2b.js").write_bytes(SCRIPT)
    (assets / "main-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "plain-3c4d.js").write_bytes(SCRIPT)
    made = Starlette(routes=[Mount("/", SinglePageApp(tmp_path))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=made), base_url="http://testserver") as http:
        packed = await http.get("/assets/main-1a2b.js", headers={"accept-encoding": "gzip, br"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["content-type"].startswith("text/javascript")
        assert "immutable" in packed.headers["cache-control"]
        assert "accept-encoding" in packed.headers["vary"].lower()
        assert int(packed.headers["content-length"]) < len(SCRIPT)
        assert packed.content == SCRIPT  # httpx has unpacked it

        again = await http.get(
            "/assets/main-1a2b.js", headers={"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
        )
        assert again.status_code == 304

        for path, encoding in (("main-1a2b", "identity"), ("plain-3c4d", "gzip")):
            plain = await http.get(f"/assets/{path}.js", headers={"accept-encoding": encoding})
            assert "content-encoding" not in plain.headers
            assert plain.content == SCRIPT
        assert (await http.get("/assets/../index.html", headers={"accept-encoding": "gzip"})).status_code == 200
        missing = await http.get("/assets/none.js", headers={"accept-encoding": "gzip"})
        assert missing.status_code == 404
