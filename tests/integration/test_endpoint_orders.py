"""What tests may order of the endpoint: scripts and faults."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError

from clipwarden_local.endpoint import Fault, When
from fixtures.endpoint import ALCOHOL, GET, START, VIDEO, Launch, begin, connect, refusal, request


def test_a_video_brings_its_own_script_in_the_file_beside_it(launch: Launch, media: Path) -> None:
    (media / "videos" / "a" / "b.mp4.script.json").write_text(json.dumps({"failure": "from the sidecar"}))
    client = connect(launch())
    assert client.get_content_moderation(JobId=begin(client))["StatusMessage"] == "from the sidecar"


def test_a_script_that_cannot_be_read_is_a_failed_job(launch: Launch, media: Path) -> None:
    (media / "videos" / "a" / "b.mp4.script.json").write_text('{"sseconds": 1}')
    client = connect(launch())
    assert "sseconds" in client.get_content_moderation(JobId=begin(client))["StatusMessage"]


def test_faults_strike_the_calls_they_are_ordered_for(launch: Launch) -> None:
    endpoint = launch(labels=[ALCOHOL])
    client = connect(endpoint)
    job_id = begin(client)
    endpoint.faults.tell(
        Fault(operation=GET, error="ThrottlingException", times=2),
        Fault(operation=GET, error="InvalidPaginationTokenException", continued=True),
        Fault(operation=START, error="ThrottlingException", http_status=500, message="Service Unavailable"),
    )
    assert refusal(client.start_content_moderation, Video=VIDEO) == ("ThrottlingException", "Service Unavailable")
    for _ in range(2):
        assert refusal(client.get_content_moderation, JobId=job_id)[0] == "ThrottlingException"
    token = client.get_content_moderation(JobId=job_id, MaxResults=1)["NextToken"]
    refused = refusal(client.get_content_moderation, JobId=job_id, NextToken=token)
    assert refused[0] == "InvalidPaginationTokenException"
    assert len(client.get_content_moderation(JobId=job_id, NextToken=token)["ModerationLabels"]) == 1


def test_a_job_whose_answer_was_lost_is_found_again_by_its_token(launch: Launch) -> None:
    endpoint = launch()
    client = connect(endpoint)
    endpoint.faults.tell(Fault(operation=START, when=When.AFTER))
    with pytest.raises(ConnectionClosedError):
        begin(client, ClientRequestToken="token")
    job_id = begin(client, ClientRequestToken="token")
    calls = endpoint.journal.calls()
    assert [(call["token"], call["job_id"], call["error"]) for call in calls] == [
        ("token", job_id, "ConnectionDropped"),
        ("token", job_id, None),
    ]
    assert endpoint.journal.summary()["jobs"] == 1


def test_scripts_and_faults_can_be_ordered_over_http(launch: Launch) -> None:
    endpoint = launch()
    client = connect(endpoint)
    orders = {"script": {"failure": "as ordered"}, "faults": [{"operation": GET, "error": "InternalServerError"}]}
    assert request(endpoint, "PUT", "/_script", json.dumps(orders)) == (200, {"status": "ok"})
    job_id = begin(client)
    assert refusal(client.get_content_moderation, JobId=job_id)[0] == "InternalServerError"
    assert client.get_content_moderation(JobId=job_id)["StatusMessage"] == "as ordered"
    status, journal = request(endpoint, "GET", "/_journal")
    assert status == 200
    assert journal["results"] == {START: {"ok": 1}, GET: {"InternalServerError": 1, "ok": 1}}
    assert [call["operation"] for call in journal["calls"]] == [START, GET, GET]


@pytest.mark.parametrize("body", ["", "[]", '{"script": {"seconds": -1}}', '{"unknown": 1}', "{"])
def test_orders_that_cannot_be_read_are_refused(launch: Launch, body: str) -> None:
    assert request(launch(), "PUT", "/_script", body)[0] == 400
