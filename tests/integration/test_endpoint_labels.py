"""What an unmodified boto3 client reads of jobs that have ended."""

from typing import Any

import pytest

from fixtures.endpoint import ALCOHOL, DAY, Clock, Launch, begin, connect, names, read_all, refusal


def test_labels_below_the_confidence_asked_for_at_start_are_left_out_for_good(launch: Launch) -> None:
    labels = [{"path": ["Gambling"], "confidence": 49.9}, {"path": ["Rude Gestures"], "confidence": 50}]
    client = connect(launch(labels=labels))
    default, low = begin(client), begin(client, MinConfidence=1.0)
    assert names(read_all(client, default)[0]) == ["Rude Gestures"]
    assert names(read_all(client, low)[0]) == ["Gambling", "Rude Gestures"]


def test_a_confidence_is_never_a_full_hundred(launch: Launch) -> None:
    client = connect(launch(labels=[{"path": ["Gambling"], "confidence": 100}]))
    assert read_all(client, begin(client))[0][0]["ModerationLabel"]["Confidence"] == 99.99


def test_the_older_model_has_no_levels(launch: Launch) -> None:
    script = {"path": ["Suggestive", "Barechested Male"], "confidence": 75}
    client = connect(launch(labels=[script], model_version="6.1"))
    reply = client.get_content_moderation(JobId=begin(client))
    assert reply["ModerationModelVersion"] == "6.1"
    assert set(reply["ModerationLabels"][0]) == {"Timestamp", "ModerationLabel"}
    assert set(reply["ModerationLabels"][0]["ModerationLabel"]) == {"Name", "ParentName", "Confidence"}


def test_thousands_of_labels_come_in_pages_of_a_thousand_at_most(launch: Launch) -> None:
    client = connect(launch(labels=[ALCOHOL], times=1250))
    pages = read_all(client, begin(client), MaxResults=4000)
    assert [len(page) for page in pages] == [1000, 1000, 500]
    labels = [label for page in pages for label in page]
    moments = [label["Timestamp"] for label in labels]
    assert moments == sorted(moments)
    assert len(set(zip(moments, names(labels), strict=True))) == 2500


def test_a_script_may_cut_a_page_between_a_child_and_its_parent(launch: Launch) -> None:
    client = connect(launch(labels=[ALCOHOL], times=2, page_size=3))
    pages = [names(page) for page in read_all(client, begin(client))]
    assert pages == [["Alcoholic Beverages", "Alcohol", "Alcoholic Beverages"], ["Alcohol"]]


def test_labels_can_be_sorted_by_name(launch: Launch) -> None:
    labels = [{"path": ["Gambling"], "at": 0, "confidence": 60}, {"path": ["Alcohol"], "at": 500, "confidence": 70}]
    client = connect(launch(labels=[*labels, {"path": ["Alcohol"], "at": 1000, "confidence": 90}]))
    page = read_all(client, begin(client), SortBy="NAME")[0]
    assert [(label["ModerationLabel"]["Name"], label["Timestamp"]) for label in page] == [
        ("Alcohol", 1000),
        ("Alcohol", 500),
        ("Gambling", 0),
    ]


def test_segments_join_samples_that_follow_each_other(launch: Launch) -> None:
    moments = [(1000, 60), (1500, 90), (2060, 70), (4000, 80)]
    labels = [{"path": ["Gambling"], "at": at, "confidence": confidence} for at, confidence in moments]
    client = connect(launch(labels=labels, metadata={"duration_ms": 4200}))
    page = read_all(client, begin(client), AggregateBy="SEGMENTS")[0]
    spans = [
        (one["StartTimestampMillis"], one["EndTimestampMillis"], one["DurationMillis"], one["Timestamp"])
        for one in page
    ]
    assert spans == [(1000, 2560, 1560, 1000), (4000, 4200, 200, 4000)]
    assert [one["ModerationLabel"]["Confidence"] for one in page] == [90, 80]


@pytest.mark.parametrize(
    "other",
    [{"SortBy": "NAME"}, {"AggregateBy": "SEGMENTS"}, {"NextToken": "AAAA"}, {"NextToken": "not base64!"}],
    ids=lambda other: "-".join(map(str, other.values())),
)
def test_a_pagination_token_is_good_only_for_the_reading_it_was_made_for(launch: Launch, other: dict[str, Any]) -> None:
    client = connect(launch(labels=[ALCOHOL]))
    job_id = begin(client)
    token = client.get_content_moderation(JobId=job_id, MaxResults=1)["NextToken"]
    asked = {"JobId": job_id, "NextToken": token} | other
    assert refusal(client.get_content_moderation, **asked)[0] == "InvalidPaginationTokenException"


def test_a_pagination_token_of_another_job_is_refused(launch: Launch) -> None:
    client = connect(launch(labels=[ALCOHOL]))
    token = client.get_content_moderation(JobId=begin(client), MaxResults=1)["NextToken"]
    refused = refusal(client.get_content_moderation, JobId=begin(client), NextToken=token)
    assert refused[0] == "InvalidPaginationTokenException"


def test_a_pagination_token_lasts_a_day_and_survives_a_restart(launch: Launch, clock: Clock) -> None:
    endpoint = launch(labels=[ALCOHOL])
    client = connect(endpoint)
    job_id = begin(client)
    token = client.get_content_moderation(JobId=job_id, MaxResults=1)["NextToken"]
    client = connect(launch())
    clock.now += DAY
    assert names(client.get_content_moderation(JobId=job_id, NextToken=token)["ModerationLabels"]) == ["Alcohol"]
    clock.now += 1
    refused = refusal(client.get_content_moderation, JobId=job_id, NextToken=token)
    assert refused[0] == "InvalidPaginationTokenException"
