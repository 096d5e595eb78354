"""The arithmetic that lets a file of 50 GiB and more through S3's limits, without writing one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.core.errors import InvalidInput
from graph.uploads import parts
from graph.uploads.parts import GIB, MIB, check_file_name, check_part_numbers, describe_numbers, plan_parts

LARGEST = parts.MAX_OBJECT_BYTES


@given(st.integers(1, LARGEST))
def test_every_plan_keeps_the_limits_of_s3_and_covers_the_file(size: int) -> None:
    plan = plan_parts(size, max_bytes=LARGEST)
    assert 1 <= plan.part_count <= parts.MAX_PARTS
    assert parts.MIN_PART_BYTES <= plan.part_size_bytes <= parts.MAX_PART_BYTES
    assert plan.part_size_bytes % MIB == 0
    last = plan.size_of(plan.part_count)
    assert 1 <= last <= plan.part_size_bytes
    assert plan.part_size_bytes * (plan.part_count - 1) + last == size
    assert plan.size_of(1) == min(size, plan.part_size_bytes)


@given(st.integers(1, LARGEST - 1))
def test_a_larger_file_never_gets_smaller_parts(size: int) -> None:
    a, b = plan_parts(size, max_bytes=LARGEST), plan_parts(size + 1, max_bytes=LARGEST)
    assert a.part_size_bytes <= b.part_size_bytes
    assert b.part_count >= 1


@pytest.mark.parametrize(
    ("size", "part", "count", "last"),
    [
        (1, 64 * MIB, 1, 1),
        (64 * MIB, 64 * MIB, 1, 64 * MIB),
        (64 * MIB + 1, 64 * MIB, 2, 1),
        (50 * GIB, 64 * MIB, 800, 64 * MIB),
        (640_000 * MIB, 64 * MIB, 10_000, 64 * MIB),  # the last size that 64 MiB can hold
        (640_000 * MIB + 1, 65 * MIB, 9847, 10 * MIB + 1),
        (LARGEST, 525 * MIB, 9987, 230 * MIB),
    ],
)
def test_known_sizes(size: int, part: int, count: int, last: int) -> None:
    plan = plan_parts(size, max_bytes=LARGEST)
    assert (plan.part_size_bytes, plan.part_count, plan.size_of(count)) == (part, count, last)


@pytest.mark.parametrize(
    ("size", "code", "words"),
    [
        (-1, "UPLOAD_SIZE_INVALID", "-1"),
        (0, "UPLOAD_EMPTY", "empty"),
        (50 * GIB + 1, "UPLOAD_TOO_LARGE", "53,687,091,201"),
    ],
)
def test_sizes_that_cannot_be(size: int, code: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_parts(size, max_bytes=50 * GIB)
    assert caught.value.code == code
    assert caught.value.path == ["sizeBytes"]
    assert words in caught.value.message


def test_the_limit_of_s3_holds_whatever_the_operator_sets() -> None:
    with pytest.raises(InvalidInput, match="at most 5,497,558,138,880"):
        plan_parts(LARGEST + 1, max_bytes=LARGEST * 10)


def test_there_is_no_part_outside_the_plan() -> None:
    plan = plan_parts(100 * MIB, max_bytes=GIB)
    for number in (0, -1, 3):
        with pytest.raises(ValueError, match="of 2"):
            plan.size_of(number)


def test_part_numbers_are_sorted_and_counted_once() -> None:
    assert check_part_numbers([3, 1, 3], part_count=3) == [1, 3]


@pytest.mark.parametrize(
    ("numbers", "path"),
    [
        ([], ["partNumbers"]),
        ([1, 0], ["partNumbers", "1"]),
        ([4], ["partNumbers", "0"]),
        ([-7], ["partNumbers", "0"]),
        (list(range(1, 1002)), ["partNumbers"]),
    ],
)
def test_part_numbers_that_cannot_be(numbers: list[int], path: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_part_numbers(numbers, part_count=3)
    assert caught.value.code == "UPLOAD_PARTS_INVALID"
    assert caught.value.path == path


@given(st.sets(st.integers(1, 200)), st.integers(1, 200))
def test_missing_parts_and_present_ones_make_the_whole(present: set[int], count: int) -> None:
    missing = parts.missing_parts(present, count)
    assert missing == sorted(missing)
    assert set(missing).isdisjoint(present)
    assert set(missing) | {n for n in present if n <= count} == set(range(1, count + 1))


def test_numbers_read_as_people_write_them() -> None:
    assert describe_numbers([1, 2, 3, 7, 9]) == "1–3, 7, 9"
    assert describe_numbers(list(range(1, 40, 2))) == "1, 3, 5, 7, 9, 11, 13, 15, 17, 19 and 10 more"


@pytest.mark.parametrize("name", ["orders.csv", "  padded.csv ", "बिक्री.csv", "a b (1).parquet", ".hidden", "x" * 255])
def test_names_that_may_be(name: str) -> None:
    assert check_file_name(name) == name.strip()


@pytest.mark.parametrize(
    "name",
    ["", "   ", ".", "..", "a/b.csv", "..\\b.csv", "a\x00b", "a\nb.csv", "a\u202egpj.exe", "é" * 128, "\ud800.csv"],
)
def test_names_that_may_not_be(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_file_name(name)
    assert caught.value.code == "FILE_NAME_INVALID"
    assert caught.value.path == ["fileName"]


@given(st.text())
def test_a_name_that_passes_is_safe_in_a_header_and_a_key(name: str) -> None:
    try:
        passed = check_file_name(name)
    except InvalidInput:
        return
    assert passed == check_file_name(passed)
    assert 0 < len(passed.encode()) <= 255
    assert not set(passed) & set("/\\\r\n\x00")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "application/octet-stream"),
        ("", "application/octet-stream"),
        (" ", "application/octet-stream"),
        ("text/csv", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
    ],
)
def test_content_types(value: str | None, expected: str) -> None:
    assert parts.check_content_type(value) == expected


@pytest.mark.parametrize("value", ["csv", "text/", "/csv", "text/csv\r\nX: y", "a/" + "b" * 300])
def test_content_types_that_cannot_be(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parts.check_content_type(value)
    assert caught.value.code == "CONTENT_TYPE_INVALID"
