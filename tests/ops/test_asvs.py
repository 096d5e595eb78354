"""docs/security/asvs.md says of each requirement once how it stands, counts right, and names evidence that exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security/asvs.md").read_text(encoding="utf-8")
STATES = ("met", "partly", "not met", "not examined", "n.a.")
# of levels 1 and 2 in version 5.0.0
REQUIREMENTS = 253
ROW = re.compile(r"^\| (\d[\d., –]*) \| (1|2|1, 2) \| (.+?) \| (.+?) \| ?(.*?) ?\|$", re.MULTILINE)


def numbers(text: str) -> list[str]:
    """The requirements that a row names one by one."""
    return [part for part in text.split(", ") if "–" not in part]


def test_every_row_has_one_of_the_states_and_says_what_is_missing() -> None:
    rows = ROW.findall(TEXT)
    assert len(rows) == len(re.findall(r"^\| \d", TEXT, re.MULTILINE)) > 100
    for number, _, what, state, evidence in rows:
        assert state in STATES, number
        assert what, number
        assert evidence or state == "not examined", number


def test_no_requirement_is_named_twice() -> None:
    named = [each for row in ROW.findall(TEXT) for each in numbers(row[0])]
    assert [each for each, times in Counter(named).items() if times > 1] == []
    assert len(named) < REQUIREMENTS


def test_the_figures_at_the_top_add_up() -> None:
    total = re.search(r"(\d+) of them \((.+?)\)\.", TEXT)
    assert total is not None
    counts = {state: int(number) for number, state in (each.split(" ", 1) for each in total[2].split(", "))}
    assert tuple(counts) == STATES
    assert int(total[1]) == sum(counts.values()) == REQUIREMENTS


def test_evidence_exists() -> None:
    paths = set(re.findall(r"`((?:graph|workers|web|ops|tests|docs|engine|flight|\.github)/[\w./-]+)`", TEXT))
    assert len(paths) > 60
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
