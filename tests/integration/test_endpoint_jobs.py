"""Jobs of the endpoint, for an unmodified boto3 client: how many run at once, their tokens, how long they are kept."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from clipwarden_local.analysis.scripted import Script
from clipwarden_local.endpoint import Limits
from fixtures.endpoint import ALCOHOL, CHANNEL, DAY, START, VIDEO, Clock, Launch, begin, connect, read_all, refusal
from waiting import eventually


def test_a_job_runs_for_its_time_and_then_has_a_result(launch: Launch, clock: Clock) -> None:
    client = connect(launch(seconds=10, labels=[ALCOHOL | {"at": 1000}]))
    job_id = begin(client, JobTag="tag-1")
    early = client.get_content_moderation(JobId=job_id)
    assert re.fullmatch("[0-9a-f]{64}", job_id)
    assert early["JobStatus"] == "IN_PROGRESS"
    assert "VideoMetadata" not in early

    clock.now += 10
    late = client.get_content_moderation(JobId=job_id)
    assert late["JobStatus"] == "SUCCEEDED"
    assert late["ModerationModelVersion"] == "7.0"
    assert late["VideoMetadata"]["Codec"] == "h264"
    assert (late["JobId"], late["JobTag"], late["Video"]) == (job_id, "tag-1", VIDEO)
    assert late["GetRequestMetadata"] == {"SortBy": "TIMESTAMP", "AggregateBy": "TIMESTAMPS"}
    assert late["ModerationLabels"] == [
        {
            "Timestamp": 1000,
            "ModerationLabel": {
                "Name": "Alcoholic Beverages",
                "ParentName": "Alcohol",
                "Confidence": 80.0,
                "TaxonomyLevel": 2,
            },
            "ContentTypes": [],
        },
        {
            "Timestamp": 1000,
            "ModerationLabel": {"Name": "Alcohol", "ParentName": "", "Confidence": 80.0, "TaxonomyLevel": 1},
            "ContentTypes": [],
        },
    ]
    headers = late["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-clipwarden-analyser"] == "scripted"
    assert headers["x-amzn-requestid"] == late["ResponseMetadata"]["RequestId"]


def test_the_twenty_first_open_job_is_refused_until_one_has_ended(launch: Launch, clock: Clock) -> None:
    client = connect(launch(seconds=10))
    for _ in range(20):
        begin(client)
    code, message = refusal(client.start_content_moderation, Video=VIDEO)
    assert code == "LimitExceededException"
    assert "open Jobs for User" in message
    assert message.endswith("Maximum limit: 20")
    clock.now += 10
    begin(client)


def test_the_limit_holds_when_many_start_at_once(launch: Launch) -> None:
    endpoint = launch(seconds=10)
    client = connect(endpoint)

    def attempt(_: int) -> bool:
        try:
            return bool(begin(client))
        except client.exceptions.LimitExceededException:
            return False

    with ThreadPoolExecutor(16) as threads:
        accepted = sum(threads.map(attempt, range(60)))
    assert accepted == 20
    assert endpoint.journal.summary()["most_open_jobs"] == 20
    assert endpoint.journal.summary()["results"][START] == {"ok": 20, "LimitExceededException": 40}


def test_each_region_has_its_own_jobs(launch: Launch) -> None:
    endpoint = launch(limits=Limits(open_jobs=1, start_rate=0, get_rate=0), seconds=10)
    first, second = connect(endpoint, "eu-west-1"), connect(endpoint, "us-east-1")
    job_id = begin(first)
    begin(second)
    assert refusal(second.get_content_moderation, JobId=job_id)[0] == "ResourceNotFoundException"


def test_calls_beyond_the_rate_are_refused_until_a_second_has_passed(launch: Launch, clock: Clock) -> None:
    client = connect(launch(limits=Limits(start_rate=5, get_rate=20)))
    job_id = begin(client)
    for _ in range(4):
        begin(client)
    code, message = refusal(client.start_content_moderation, Video=VIDEO)
    assert (code, message) == ("ProvisionedThroughputExceededException", "Provisioned Rate exceeded.")
    for _ in range(20):
        client.get_content_moderation(JobId=job_id)
    assert refusal(client.get_content_moderation, JobId=job_id)[0] == "ProvisionedThroughputExceededException"
    clock.now += 1
    begin(client)
    client.get_content_moderation(JobId=job_id)


def test_a_repeated_token_leads_to_the_same_job_even_at_the_limit(launch: Launch) -> None:
    endpoint = launch(limits=Limits(open_jobs=1, start_rate=0, get_rate=0), seconds=10)
    client = connect(endpoint)
    job_id = begin(client, ClientRequestToken="token", JobTag="x")
    assert begin(client, ClientRequestToken="token", JobTag="x") == job_id
    assert endpoint.journal.summary()["jobs"] == 1


def test_a_token_with_other_parameters_is_a_mismatch(launch: Launch) -> None:
    client = connect(launch())
    begin(client, ClientRequestToken="token")
    for other in ({"MinConfidence": 10.0}, {"JobTag": "x"}, {"NotificationChannel": CHANNEL}):
        code, message = refusal(client.start_content_moderation, Video=VIDEO, ClientRequestToken="token", **other)
        assert code == "IdempotentParameterMismatchException"
        assert "token" in message


def test_a_token_is_forgotten_after_seven_days(launch: Launch, clock: Clock) -> None:
    client = connect(launch())
    job_id = begin(client, ClientRequestToken="token")
    clock.now += 7 * DAY - 1
    assert begin(client, ClientRequestToken="token") == job_id
    clock.now += 2
    assert begin(client, ClientRequestToken="token", JobTag="other") != job_id


def test_the_token_of_a_refused_call_is_not_kept(launch: Launch, clock: Clock) -> None:
    client = connect(launch(limits=Limits(open_jobs=1, start_rate=0, get_rate=0), seconds=1))
    begin(client)
    assert refusal(client.start_content_moderation, Video=VIDEO, ClientRequestToken="t")[0] == "LimitExceededException"
    clock.now += 1
    begin(client, ClientRequestToken="t", JobTag="other-parameters")


def test_results_are_gone_after_seven_days(launch: Launch, clock: Clock) -> None:
    client = connect(launch(seconds=60))
    job_id = begin(client)
    clock.now += 60 + 7 * DAY
    assert client.get_content_moderation(JobId=job_id)["JobStatus"] == "SUCCEEDED"
    clock.now += 1
    assert refusal(client.get_content_moderation, JobId=job_id)[0] == "ResourceNotFoundException"


def test_a_script_may_let_results_expire_early(launch: Launch, clock: Clock) -> None:
    client = connect(launch(kept_seconds=5))
    job_id = begin(client)
    clock.now += 6
    assert refusal(client.get_content_moderation, JobId=job_id)[0] == "ResourceNotFoundException"


def test_a_failed_job_says_why(launch: Launch) -> None:
    client = connect(launch(failure="Unsupported codec/format."))
    reply = client.get_content_moderation(JobId=begin(client))
    assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", "Unsupported codec/format.")
    assert "ModerationLabels" not in reply


def test_an_unknown_job_is_not_found(launch: Launch) -> None:
    client = connect(launch())
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_content_moderation(JobId="0" * 64)


def test_results_survive_a_restart_and_jobs_in_progress_have_failed(launch: Launch, clock: Clock) -> None:
    sent: list[Any] = []
    first = launch(labels=[ALCOHOL], publish=lambda *_: None)
    client = connect(first)
    ended = begin(client, ClientRequestToken="ended")
    first.tell(Script(seconds=60))
    running = begin(client, NotificationChannel=CHANNEL)
    client = connect(launch(publish=lambda _, text: sent.append(json.loads(text))))
    reply = client.get_content_moderation(JobId=running)
    assert (reply["JobStatus"], reply["StatusMessage"]) == ("FAILED", "The analysis was interrupted.")
    assert len(read_all(client, ended)[0]) == 2
    assert begin(client, ClientRequestToken="ended") == ended
    eventually(lambda: sent)
    assert (sent[0]["JobId"], sent[0]["Status"]) == (running, "FAILED")
    clock.now += 1


def test_two_thousand_jobs_are_cheap(launch: Launch, clock: Clock) -> None:
    endpoint = launch(limits=Limits(open_jobs=2000, start_rate=0, get_rate=0), seconds=30, labels=[ALCOHOL])
    client = connect(endpoint)
    with ThreadPoolExecutor(4) as threads:
        jobs = list(threads.map(lambda number: begin(client, ClientRequestToken=f"t-{number}"), range(2000)))
    assert len(set(jobs)) == 2000
    assert endpoint.jobs.open_jobs() == {"eu-west-1": 2000}
    clock.now += 30
    assert endpoint.jobs.open_jobs() == {}
    assert client.get_content_moderation(JobId=jobs[-1])["JobStatus"] == "SUCCEEDED"
