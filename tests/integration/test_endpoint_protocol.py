"""An unmodified boto3 client against the endpoint with scripted videos."""

import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from clipwarden_local.analysis.objects import FolderObjects
from clipwarden_local.analysis.scripted import Script, ScriptedAnalyser
from clipwarden_local.endpoint import Endpoint, Fault, Limits, When
from waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

DAY = 86_400.0
START = "StartContentModeration"
GET = "GetContentModeration"
VIDEO: Any = {"S3Object": {"Bucket": "videos", "Name": "a/b.mp4"}}
CHANNEL: Any = {
    "SNSTopicArn": "arn:aws:sns:eu-west-1:000000000000:done",
    "RoleArn": "arn:aws:iam::000000000000:role/rekognition",
}
UNLIMITED = Limits(start_rate=0, get_rate=0)
ALCOHOL = {"path": ["Alcohol", "Alcoholic Beverages"], "confidence": 80.0}


class Clock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


Launch = Callable[..., Endpoint]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def media(tmp_path: Path) -> Path:
    root = tmp_path / "objects"
    (root / "videos" / "a").mkdir(parents=True)
    (root / "videos" / "a" / "b.mp4").write_bytes(b"0" * 100)
    return root


@pytest.fixture
def launch(tmp_path: Path, media: Path, clock: Clock) -> Iterator[Launch]:
    running: list[Endpoint] = []

    def start(*, limits: Limits = UNLIMITED, publish: Any = None, data: str = "data", **script: Any) -> Endpoint:
        objects = FolderObjects(media)
        endpoint = Endpoint(
            data=tmp_path / data,
            objects=objects,
            analyser=ScriptedAnalyser(objects, Script.model_validate(script)),
            limits=limits,
            publish=publish,
            clock=clock,
        )
        endpoint.start()
        running.append(endpoint)
        return endpoint

    yield start
    for endpoint in running:
        endpoint.close()


@cache
def session() -> boto3.session.Session:
    return boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret")


def connect(endpoint: Endpoint, region: str = "eu-west-1") -> "RekognitionClient":
    return session().client(
        "rekognition",
        endpoint_url=endpoint.url,
        region_name=region,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=16),
    )


def begin(client: "RekognitionClient", **parameters: Any) -> str:
    return client.start_content_moderation(**({"Video": VIDEO} | parameters))["JobId"]


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def read_all(client: "RekognitionClient", job_id: str, **parameters: Any) -> list[list[Any]]:
    pages: list[list[Any]] = []
    while True:
        page = client.get_content_moderation(JobId=job_id, **parameters)
        pages.append(page["ModerationLabels"])
        if "NextToken" not in page:
            return pages
        parameters["NextToken"] = page["NextToken"]


def names(labels: list[Any]) -> list[str]:
    return [label["ModerationLabel"]["Name"] for label in labels]


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


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"MinConfidence": 100.5}, "minConfidence"),
        ({"ClientRequestToken": "a b"}, "clientRequestToken"),
        ({"ClientRequestToken": "a" * 65}, "clientRequestToken"),
        ({"JobTag": "with space"}, "jobTag"),
        ({"JobTag": "a" * 1025}, "jobTag"),
        ({"Video": {"S3Object": {"Bucket": "no/slash", "Name": "a"}}}, "video.s3Object.bucket"),
        ({"Video": {"S3Object": {"Bucket": "videos", "Name": "a" * 1025}}}, "video.s3Object.name"),
        ({"NotificationChannel": CHANNEL | {"SNSTopicArn": "arn:aws-cn:sns:x:1:y"}}, "notificationChannel.sNSTopicArn"),
        ({"NotificationChannel": CHANNEL | {"RoleArn": "role"}}, "notificationChannel.roleArn"),
    ],
)
def test_start_parameters_out_of_bounds_are_named(launch: Launch, parameters: dict[str, Any], place: str) -> None:
    client = connect(launch())
    code, message = refusal(client.start_content_moderation, **({"Video": VIDEO} | parameters))
    assert code == "ValidationException"
    assert f"at '{place}' failed to satisfy constraint" in message


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ({"JobId": "a b"}, "jobId"),
        ({"JobId": "a" * 65}, "jobId"),
        ({"SortBy": "SIZE"}, "sortBy"),
        ({"AggregateBy": "HOURS"}, "aggregateBy"),
        ({"NextToken": "a" * 256}, "nextToken"),
    ],
)
def test_get_parameters_out_of_bounds_are_named(launch: Launch, parameters: dict[str, Any], place: str) -> None:
    code, message = refusal(connect(launch()).get_content_moderation, **({"JobId": "a"} | parameters))
    assert code == "ValidationException"
    assert f"at '{place}' failed to satisfy constraint" in message


def test_a_video_without_an_object_is_an_invalid_parameter(launch: Launch) -> None:
    assert refusal(connect(launch()).start_content_moderation, Video={})[0] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("bucket", "name"),
    [
        ("videos", "missing.mp4"),
        ("nowhere", "a/b.mp4"),
        ("videos", "../secret.mp4"),
        ("...", "secret.mp4"),
        ("videos", "/etc/passwd"),
        ("videos", "a\0b"),
        ("videos", "a"),
        ("videos", "link.mp4"),
        ("videos", "x" * 1000),
    ],
)
def test_an_object_that_is_not_in_the_bucket_is_refused(launch: Launch, media: Path, bucket: str, name: str) -> None:
    (media / "secret.mp4").write_bytes(b"secret")
    (media / "videos" / "link.mp4").symlink_to(media / "secret.mp4")
    video: Any = {"S3Object": {"Bucket": bucket, "Name": name}}
    assert refusal(connect(launch()).start_content_moderation, Video=video)[0] == "InvalidS3ObjectException"


def test_a_video_that_is_too_large_is_refused_with_both_sizes(launch: Launch) -> None:
    client = connect(launch(limits=Limits(max_bytes=99, start_rate=0, get_rate=0)))
    code, message = refusal(client.start_content_moderation, Video=VIDEO)
    assert code == "VideoTooLargeException"
    assert message == "Video size in bytes: 100 is more than the maximum limit of: 99 bytes."


def test_an_unknown_job_is_not_found(launch: Launch) -> None:
    client = connect(launch())
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_content_moderation(JobId="0" * 64)


def test_an_operation_that_is_not_served_is_unknown(launch: Launch) -> None:
    assert refusal(connect(launch()).list_collections)[0] == "UnknownOperationException"


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


def request(endpoint: Endpoint, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=10)
    connection.request(method, path, body)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if response.headers["Content-Type"] == "application/json" else text


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


def test_health_is_told(launch: Launch) -> None:
    endpoint = launch(seconds=10)
    begin(connect(endpoint))
    assert request(endpoint, "GET", "/healthz") == (
        200,
        {"status": "ok", "analyser": "scripted", "open_jobs": {"eu-west-1": 1}},
    )
    assert request(endpoint, "GET", "/nothing")[0] == 404


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nX-Amz-Target: RekognitionService.GetContentModeration\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{}",
    ],
)
def test_no_request_however_broken_stops_the_server(launch: Launch, sent: bytes) -> None:
    endpoint = launch()
    host, port = endpoint.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer == b"" or b"HTTP/1.1 4" in answer or b"Error code: 400" in answer
    assert request(endpoint, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"[" * 100_000, b'{"JobId": 5}', b'{"JobId": null}', b"\xff\xfe"])
def test_a_body_of_the_wrong_form_gets_an_error_of_the_protocol(launch: Launch, body: bytes) -> None:
    connection = http.client.HTTPConnection(launch().url.removeprefix("http://"), timeout=10)
    headers = {
        "X-Amz-Target": f"RekognitionService.{GET}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/eu-west-1/rekognition/aws4_request",
    }
    connection.request("POST", "/", body, headers)
    response = connection.getresponse()
    assert response.status == 400
    assert json.loads(response.read())["__type"] in ("SerializationException", "ValidationException")
    connection.close()


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
