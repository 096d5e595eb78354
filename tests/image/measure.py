"""How big the image is, and what is big in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.image.podman import podman

HOME = "opt/karyaksham"
MB = 1e6


def _bytes(folder: Path, pattern: str = "*") -> int:
    return sum(path.lstat().st_size for path in folder.rglob(pattern) if path.is_file() and not path.is_symlink())


def sizes(image: str) -> Iterator[str]:
    """Yield lines: the whole, the layers that are ours, and what they hold (unpacked, 1 MB = 10⁶ bytes)."""
    (told,) = json.loads(podman("image", "inspect", image).stdout)
    yield f"{image}: {told['Size'] / MB:.0f} MB unpacked"
    for layer in json.loads(podman("history", "--format", "json", "--no-trunc", image).stdout):
        if layer["size"] > MB:
            yield f"  layer {layer['size'] / MB:6.1f} MB  {' '.join(layer['CreatedBy'].split())[:90]}"
    root = Path(podman("image", "mount", image).stdout.strip())
    try:
        home = root / HOME
        (packages,) = home.glob("lib/python*/site-packages")
        found = {path.name: _bytes(path) for path in packages.iterdir() if path.is_dir()}
        yield f"  /{HOME} {_bytes(home) / MB:.1f} MB, of which bytecode {_bytes(home, '*.pyc') / MB:.1f} MB"
        for name, size in sorted(found.items(), key=lambda each: -each[1])[:12]:
            yield f"    {name:24} {size / MB:6.1f} MB"
    finally:
        podman("image", "unmount", image, check=False)
