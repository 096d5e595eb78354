"""Profiles through GraphQL: what each column holds, for those who may see the data set."""

from __future__ import annotations

from typing import Any

import pytest

from graph.core.errors import Conflict
from graph.core.ids import from_global
from graph.datasets import profile as profiles
from tests.graph.client import User, upload
from tests.graph.datasets.test_datasets import inspected, service_of

PROFILE = """query ($id: ID!) { profileDataset(input: {id: $id}) { __typename
  ... on DatasetProfile { rows rowsRejected columns { name type count nulls distinct distinctExact min max mean
    quantiles { p value } histogram { lower upper count } topValues { value count } topValuesError shortest longest } }
  ... on Error { code path } } }"""
USED = "query ($id: ID!) { dataset(id: $id) { usedBy { jobId name status } } }"
RUN = """mutation ($input: RunJobInput!) { runJob(input: $input) { ... on RunJobSuccess { job { id name } } } }"""
CANCEL = "mutation ($id: ID!) { cancelJob(input: {id: $id}) { __typename } }"

CITIES = b"city,people,founded\n" + b"".join(
    f"{'Pune' if n % 4 else 'Agra'},{n},{'' if n % 10 == 0 else f'2026-01-{n % 28 + 1:02d}'}\n".encode()
    for n in range(1, 401)
)


async def test_each_column_is_counted_over_all_rows(user: User) -> None:
    dataset = await inspected(user, CITIES, "cities.csv")
    found = await user.ask(PROFILE, id=dataset["id"])
    assert (found["rows"], found["rowsRejected"]) == (400, 0)
    city, people, founded = found["columns"]
    assert (city["name"], city["distinct"], city["distinctExact"]) == ("city", 2, True)
    assert city["topValues"][:2] == [{"value": "Pune", "count": 300}, {"value": "Agra", "count": 100}]
    assert (city["shortest"], city["longest"], city["histogram"]) == (4, 4, [])
    assert (people["min"], people["max"], people["mean"], people["nulls"]) == (1, 400, 200.5, 0)
    assert sum(each["count"] for each in people["histogram"]) == 400
    assert {each["p"] for each in people["quantiles"]} >= {0.5}
    assert (founded["type"], founded["nulls"], founded["count"]) == ("date", 40, 360)
    # a data set never changes: the second answer is the first one
    assert await user.ask(PROFILE, id=dataset["id"]) == found


async def test_what_cannot_be_profiled_is_told(user: User, stranger: User) -> None:
    dataset = await inspected(user, CITIES, "cities.csv")
    assert (await stranger.ask(PROFILE, id=dataset["id"]))["code"] == "NOT_FOUND"
    waiting = await upload(user, CITIES, "waiting.csv")
    assert (await user.ask(PROFILE, id=waiting["id"]))["code"] == "DATASET_NOT_READY"
    await service_of(user.services).inspect(from_global(waiting["id"], "Dataset"))


async def test_a_file_that_takes_too_long_is_refused_and_leaves_no_process(user: User) -> None:
    dataset = await inspected(user, CITIES, "cities.csv")
    row = await service_of(user.services).get(user.workspace_id, from_global(dataset["id"], "Dataset"))
    with pytest.raises(Conflict) as refused:
        await profiles.profile(row, user.services.storage, seconds=0.0)
    assert refused.value.code == "PROFILE_TIMEOUT"
    # and the next one has its turn
    assert (await user.ask(PROFILE, id=dataset["id"]))["__typename"] == "DatasetProfile"


async def test_a_file_without_rows_has_a_profile(user: User) -> None:
    dataset = await inspected(user, b"a,b\n", "empty.csv")
    found = await user.ask(PROFILE, id=dataset["id"])
    assert (found["rows"], [column["count"] for column in found["columns"]]) == (0, [0, 0])


async def test_a_data_set_knows_the_jobs_that_read_it(user: User) -> None:
    dataset = await inspected(user, CITIES, "cities.csv")
    assert (await user.ask(USED, id=dataset["id"]))["usedBy"] == []
    spec: dict[str, Any] = {"version": 1, "steps": [], "output": {"format": "csv"}}
    inputs = [{"name": "input", "datasetId": dataset["id"]}]
    job = (await user.ask(RUN, input={"spec": spec, "inputs": inputs}))["job"]
    (use,) = (await user.ask(USED, id=dataset["id"]))["usedBy"]
    assert (use["jobId"], use["name"]) == (job["id"], job["name"])
    await user.ask(CANCEL, id=job["id"])
