"""Completions that the endpoint publishes."""

import json
from typing import Any

from clipwarden_local.analysis.scripted import Script
from fixtures.endpoint import CHANNEL, VIDEO, Clock, Launch, begin, connect, refusal
from waiting import eventually


def test_a_completion_is_published_once_after_the_end(launch: Launch, clock: Clock) -> None:
    sent: list[tuple[str, Any]] = []
    client = connect(launch(seconds=5, publish=lambda topic, text: sent.append((topic, json.loads(text)))))
    job_id = begin(client, NotificationChannel=CHANNEL, JobTag="tag", ClientRequestToken="token")
    assert sent == []
    clock.now += 5
    eventually(lambda: sent)
    assert begin(client, NotificationChannel=CHANNEL, JobTag="tag", ClientRequestToken="token") == job_id
    assert client.get_content_moderation(JobId=job_id)["JobStatus"] == "SUCCEEDED"
    begin(client, NotificationChannel=CHANNEL, JobTag="later")
    clock.now += 5
    eventually(lambda: len(sent) == 2)
    assert sent[0] == (
        CHANNEL["SNSTopicArn"],
        {
            "JobId": job_id,
            "Status": "SUCCEEDED",
            "API": "StartContentModeration",
            "JobTag": "tag",
            "Timestamp": 1_700_000_005_000,
            "Video": {"S3ObjectName": "a/b.mp4", "S3Bucket": "videos"},
        },
    )


def test_a_topic_is_an_invalid_parameter_where_there_is_no_sns(launch: Launch) -> None:
    refused = refusal(connect(launch()).start_content_moderation, Video=VIDEO, NotificationChannel=CHANNEL)
    assert refused[0] == "InvalidParameterException"


def test_a_failed_job_completes_as_failed_and_without_a_tag_where_none_was_given(launch: Launch) -> None:
    sent: list[Any] = []
    client = connect(launch(failure="broken", publish=lambda _, text: sent.append(json.loads(text))))
    begin(client, NotificationChannel=CHANNEL)
    eventually(lambda: sent)
    assert sent[0]["Status"] == "FAILED"
    assert "JobTag" not in sent[0]


def test_a_completion_is_tried_again_until_it_is_taken(launch: Launch, clock: Clock) -> None:
    tries: list[str] = []

    def publish(topic: str, text: str) -> None:
        tries.append(topic)
        if len(tries) < 3:
            raise ConnectionError(text)

    client = connect(launch(publish=publish))
    begin(client, NotificationChannel=CHANNEL)

    def three_tries() -> bool:
        clock.now += 60
        return len(tries) == 3

    eventually(three_tries)


def test_completions_can_be_lost_and_doubled(launch: Launch) -> None:
    sent: list[str] = []
    endpoint = launch(completions=0, publish=lambda _, text: sent.append(json.loads(text)["JobId"]))
    client = connect(endpoint)
    lost = begin(client, NotificationChannel=CHANNEL, JobTag="lost")
    endpoint.tell(Script(completions=2))
    doubled = begin(client, NotificationChannel=CHANNEL, JobTag="doubled")
    eventually(lambda: sent == [doubled, doubled])
    assert lost not in sent
