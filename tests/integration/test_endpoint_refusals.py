"""What the endpoint refuses, and that nothing which is sent to it stops it."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from clipwarden_local.endpoint import Limits
from fixtures.endpoint import CHANNEL, GET, VIDEO, Launch, begin, connect, refusal, request


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


def test_an_operation_that_is_not_served_is_unknown(launch: Launch) -> None:
    assert refusal(connect(launch()).list_collections)[0] == "UnknownOperationException"


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
