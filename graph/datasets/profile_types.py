"""GraphQL types of profiles."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.api.scalars import Int64


@strawberry.type(description="A value that stands at a place of the sorted values: `p` 0.5 is the median.")
class Quantile:
    """A quantile."""

    p: float
    value: JSON | None


@strawberry.type(description="How many values lie from `lower` (included) to `upper` (not included).")
class HistogramBin:
    """A bin."""

    lower: JSON | None
    upper: JSON | None
    count: Int64


@strawberry.type(description="A frequent value, and how often it occurs.")
class TopValue:
    """A value."""

    value: JSON | None
    count: Int64


@strawberry.type(description="What a column holds.")
class ColumnProfile:
    """A column; figures of numbers, dates and times are empty for others."""

    name: str
    type: str
    count: Int64 = strawberry.field(description="Values that are not null.")
    nulls: Int64
    distinct: Int64 | None = strawberry.field(description="Different values; null for lists, structs and binary.")
    distinct_exact: bool = strawberry.field(description="Whether `distinct` is no estimate (within 3 %).")
    min: JSON | None
    max: JSON | None
    mean: float | None
    stddev: float | None
    not_finite: Int64 = strawberry.field(description="NaN and infinite values, which the other figures leave out.")
    quantiles: list[Quantile]
    histogram: list[HistogramBin]
    top_values: list[TopValue]
    top_values_error: Int64 = strawberry.field(description="By how much a count of `topValues` may be too low.")
    shortest: Int64 | None = strawberry.field(description="Characters of the shortest text.")
    longest: Int64 | None = strawberry.field(description="Characters of the longest text.")

    @classmethod
    def of(cls, column: dict[str, Any]) -> ColumnProfile:
        """Make it of one column of the engine's report."""
        lengths = column.get("lengths") or {}
        return cls(
            name=column["name"],
            type=column["type"],
            count=Int64(column["count"]),
            nulls=Int64(column["nulls"]),
            distinct=_int64(column.get("distinct")),
            distinct_exact=column["distinctExact"],
            min=column.get("min"),
            max=column.get("max"),
            mean=column.get("mean"),
            stddev=column.get("stddev"),
            not_finite=Int64(column.get("notFinite", 0)),
            quantiles=[Quantile(p=each["p"], value=each["value"]) for each in column["quantiles"]],
            histogram=[
                HistogramBin(lower=each["lower"], upper=each["upper"], count=Int64(each["count"]))
                for each in column["histogram"]
            ],
            top_values=[TopValue(value=each["value"], count=Int64(each["count"])) for each in column["topValues"]],
            top_values_error=Int64(column["topValuesError"]),
            shortest=_int64(lengths.get("min")),
            longest=_int64(lengths.get("max")),
        )


@strawberry.type(description="What each column of a data set holds, counted over all its rows.")
class DatasetProfile:
    """A profile."""

    rows: Int64 = strawberry.field(description="Rows that were counted; those that cannot be read are left out.")
    rows_rejected: Int64
    columns: list[ColumnProfile]

    @classmethod
    def of(cls, report: dict[str, Any]) -> DatasetProfile:
        """Make it of the engine's report."""
        return cls(
            rows=Int64(report["rows"]),
            rows_rejected=Int64(report["rowsRejected"]),
            columns=[ColumnProfile.of(column) for column in report["columns"]],
        )


@strawberry.input(description="Which data set to profile.")
class ProfileDatasetInput:
    """Input of profileDataset."""

    id: strawberry.ID


ProfileDatasetResult = Annotated[
    DatasetProfile | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("ProfileDatasetResult"),
]


def _int64(value: int | None) -> Int64 | None:
    return None if value is None else Int64(value)
