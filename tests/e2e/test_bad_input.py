"""What goes wrong at the user's end is said clearly, and loses nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack import JOB, SIGN, Account, Refused, Stack, put

COPY = {"version": 1, "steps": [], "output": {"format": "csv"}}
PROBLEMS = """mutation($i: RunJobInput!) { runJob(input: $i) { __typename
  ... on InvalidPipeline { code problems { path code message hint } } ... on Error { code message path } } }"""
NODE = "query($id: ID!) { node(id: $id) { id } }"
DATASET = "query($id: ID!) { dataset(id: $id) { id } }"
CANCEL = """mutation($i: CancelJobInput!) { cancelJob(input: $i) { __typename
  ... on CancelJobSuccess { job { id } } ... on Error { code message path } } }"""
DELETE = """mutation($i: DeleteDatasetInput!) { deleteDataset(input: $i) { __typename
  ... on DeleteDatasetSuccess { id } ... on Error { code message path } } }"""

# more than one part
BIG = b"id,name\n" + b"1,somebody with a name\n" * 3_200_000


def test_completing_with_missing_parts_names_them_and_can_go_on(user: Account) -> None:
    upload = user.begin("big.csv", len(BIG))
    assert int(upload["partCount"]) > 1
    user.put_parts(upload, BIG, [1])
    with pytest.raises(Refused) as refused:
        user.complete(upload)
    assert "2" in refused.value.message
    assert "part" in refused.value.message.lower()
    user.put_parts(upload, BIG, [2])
    assert user.wait_dataset(user.complete(upload))["status"] == "READY"


def test_a_part_of_the_wrong_size_is_refused_at_completion(user: Account) -> None:
    data = b"id,name\n1,a\n"
    upload = user.begin("small.csv", len(data))
    signed = user.gql(SIGN, {"i": {"uploadId": upload["id"], "partNumbers": [1]}})["signUploadParts"]["parts"]
    put(signed[0]["url"], data + b"2,b\n").raise_for_status()
    with pytest.raises(Refused) as refused:
        user.complete(upload)
    assert str(len(data)) in refused.value.message
    # the right bytes mend it
    put(signed[0]["url"], data).raise_for_status()
    assert user.wait_dataset(user.complete(upload))["status"] == "READY"


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"\x00\x01\x02\xff\xfe" * 500, "noise.csv", "INPUT_BINARY"),
        ("name,city\nJosé,Málaga\n".encode("latin-1"), "latin.csv", "INPUT_ENCODING"),
        (b"PAR1 but nothing else PAR1", "broken.parquet", "INPUT"),
    ],
)
def test_files_that_cannot_be_read_say_why(user: Account, data: bytes, name: str, code: str) -> None:
    state = user.wait_dataset(user.upload(data, name, ready=False))
    assert state["status"] == "FAILED"
    assert state["error"]["code"].startswith(code)
    assert len(state["error"]["message"]) > 20
    with pytest.raises(Refused) as refused:
        user.start_job(COPY, input=state["id"])
    assert refused.value.code == "DATASET_NOT_READY"


def test_an_empty_file_is_refused_at_once(user: Account) -> None:
    with pytest.raises(Refused) as refused:
        user.begin("empty.csv", 0)
    assert refused.value.path[-1] == "sizeBytes"


def test_a_header_alone_gives_a_header_alone(user: Account) -> None:
    job = user.run_job(COPY, input=user.upload(b"id,name\n", "header.csv"))
    assert user.download(job) == b"id,name\n"
    assert int(job["progress"]["rowsIn"]) == 0


def test_all_problems_of_a_specification_come_at_once_with_places_and_hints(user: Account) -> None:
    dataset = user.upload(b"id,country\n1,India\n")
    spec = {
        "version": 1,
        "steps": [
            {"filter": {"where": "contry = 'India'"}},
            {"select": {"columns": ["id", "amount"]}},
            {"sort": {"by": [{"column": "nowhere"}]}},
        ],
        "output": {"format": "csv"},
    }
    variables = {"i": {"spec": spec, "inputs": [{"name": "input", "datasetId": dataset}]}}
    answer: dict[str, Any] = user.post(PROBLEMS, variables)["data"]["runJob"]
    problems = {problem["path"]: problem for problem in answer["problems"]}
    assert len(problems) >= 2, problems
    assert problems["steps[0].filter.where"]["hint"] == "did you mean `country`?"
    assert any(path.startswith("steps[1].select") for path in problems)


def test_strangers_see_and_change_nothing(stack: Stack, user: Account) -> None:
    dataset = user.upload(b"id\n1\n2\n", "mine.csv")
    job = user.run_job(COPY, input=dataset)
    stranger = stack.register()
    assert stranger.gql(DATASET, {"id": dataset}) == {"dataset": None}
    assert stranger.gql(JOB, {"id": job["id"]}) == {"job": None}
    for gid in (dataset, job["id"], user.id):
        assert stranger.gql(NODE, {"id": gid}) == {"node": None}
    with pytest.raises(Refused) as refused:
        stranger.start_job(COPY, input=dataset)
    assert refused.value.code == "NOT_FOUND"
    for document, gid in ((CANCEL, job["id"]), (DELETE, dataset)):
        with pytest.raises(Refused) as refused:
            stranger.gql(document, {"i": {"id": gid}})
        assert refused.value.code == "NOT_FOUND"
    with pytest.raises(Refused):
        list(stranger.watch("subscription($id: ID!) { jobUpdated(id: $id) { id } }", {"id": job["id"]}))
    assert user.gql(DATASET, {"id": dataset})["dataset"]["id"] == dataset
    # nobody at all sees even less
    with pytest.raises(Refused) as refused:
        stack.anonymous().gql(DATASET, {"id": dataset})
    assert refused.value.code == "UNAUTHENTICATED"


def test_tokens_that_are_altered_or_made_up_are_refused(stack: Stack, user: Account) -> None:
    assert user.token is not None
    head, payload, signature = user.token.split(".")
    for token in (
        f"{head}.{payload}.{signature[::-1]}",
        f"{head}.{payload[:-2]}AA.{signature}",
        "kar_" + "x" * 43,
        "-",
    ):
        with pytest.raises(Refused) as refused:
            Account(stack.graphql_url, token).gql("query { me { id } datasets(first: 1) { nodes { id } } }")
        assert refused.value.code == "UNAUTHENTICATED"
    with pytest.raises(Refused) as refused:
        stack.log_in(user.email, "not the password 123")
    assert refused.value.code == "CREDENTIALS_WRONG"
