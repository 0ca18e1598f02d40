"""The endpoint beside S3, SNS and SQS: objects, scripts in user metadata, completions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from clipwarden_local.analysis.analyser import StoredVideo
from clipwarden_local.analysis.objects import ObjectMissing, ObjectTooLarge, S3Objects, open_objects
from clipwarden_local.analysis.scripted import ScriptedAnalyser
from clipwarden_local.endpoint import Endpoint, Limits
from clipwarden_local.endpoint.completions import Topics
from waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

REGION: Literal["eu-west-1"] = "eu-west-1"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def connect(service: Any, url: str) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": 1})
    session = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret")
    return session.client(service, endpoint_url=url, region_name=REGION, config=config)


@pytest.fixture
def s3(aws: str, request: pytest.FixtureRequest) -> "tuple[S3Client, str]":
    client: S3Client = connect("s3", aws)
    bucket = f"bucket-{abs(hash(request.node.name)):x}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client, bucket


@pytest.fixture
def endpoint(aws: str, tmp_path: Path) -> Iterator[Endpoint]:
    objects = open_objects(f"s3://{aws}")
    limits = Limits(start_rate=0, get_rate=0)
    with Endpoint(
        data=tmp_path, objects=objects, analyser=ScriptedAnalyser(objects), limits=limits, publish=Topics(aws).publish
    ) as running:
        yield running


def status(client: "RekognitionClient", bucket: str, name: str, **place: str) -> str:
    video: Any = {"S3Object": {"Bucket": bucket, "Name": name, **place}}
    job_id = client.start_content_moderation(Video=video)["JobId"]
    return client.get_content_moderation(JobId=job_id).get("StatusMessage", "no message")


def test_an_object_brings_its_script_in_its_user_metadata(endpoint: Endpoint, s3: "tuple[S3Client, str]") -> None:
    client, bucket = s3
    client.put_object(Bucket=bucket, Key="a.mp4", Body=b"x", Metadata={"script": json.dumps({"failure": "metadata"})})
    assert status(connect("rekognition", endpoint.url), bucket, "a.mp4") == "metadata"


def test_an_object_brings_its_script_in_the_object_beside_it(endpoint: Endpoint, s3: "tuple[S3Client, str]") -> None:
    client, bucket = s3
    client.put_object(Bucket=bucket, Key="a b+ü.mp4", Body=b"x")
    client.put_object(Bucket=bucket, Key="a b+ü.mp4.script.json", Body=json.dumps({"failure": "beside"}).encode())
    assert status(connect("rekognition", endpoint.url), bucket, "a b+ü.mp4") == "beside"


def test_the_version_that_was_asked_for_is_looked_at(endpoint: Endpoint, s3: "tuple[S3Client, str]") -> None:
    client, bucket = s3
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [
        client.put_object(Bucket=bucket, Key="a", Body=b"x", Metadata={"script": json.dumps({"failure": text})})
        for text in ("old", "new")
    ]
    rekognition = connect("rekognition", endpoint.url)
    assert status(rekognition, bucket, "a", Version=versions[0]["VersionId"]) == "old"
    assert status(rekognition, bucket, "a") == "new"


@pytest.mark.parametrize("name", ["missing.mp4", "a.mp4"])
def test_a_missing_object_or_bucket_is_refused(endpoint: Endpoint, s3: "tuple[S3Client, str]", name: str) -> None:
    client, bucket = s3
    client.put_object(Bucket=bucket, Key="a.mp4", Body=b"x")
    place: Any = {"S3Object": {"Bucket": bucket if name == "missing.mp4" else "no-such-bucket", "Name": name}}
    with pytest.raises(ClientError, match="InvalidS3ObjectException"):
        connect("rekognition", endpoint.url).start_content_moderation(Video=place)


def test_a_bucket_of_another_region_is_refused(endpoint: Endpoint, aws: str, s3: "tuple[S3Client, str]") -> None:
    _, bucket = s3
    other = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret").client(
        "s3", endpoint_url=aws, region_name="us-west-2"
    )
    foreign = f"{bucket}-foreign"
    other.create_bucket(Bucket=foreign, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    other.put_object(Bucket=foreign, Key="a.mp4", Body=b"x")
    with pytest.raises(ClientError, match="InvalidS3ObjectException"):
        status(connect("rekognition", endpoint.url), foreign, "a.mp4")


def test_a_download_stops_at_the_cap(aws: str, s3: "tuple[S3Client, str]", tmp_path: Path) -> None:
    client, bucket = s3
    client.put_object(Bucket=bucket, Key="a.mp4", Body=b"x" * 1000)
    objects = S3Objects(aws)
    video = objects.find(bucket, "a.mp4", None, REGION)
    objects.fetch(video, tmp_path / "a", max_bytes=1000)
    assert (tmp_path / "a").stat().st_size == video.size == 1000
    with pytest.raises(ObjectTooLarge):
        objects.fetch(video, tmp_path / "b", max_bytes=999)
    with pytest.raises(ObjectMissing):
        objects.fetch(
            StoredVideo(bucket=bucket, key="gone", version=None, region=REGION, size=1), tmp_path / "c", max_bytes=999
        )


def test_a_completion_arrives_in_a_queue_on_the_topic(endpoint: Endpoint, aws: str, s3: "tuple[S3Client, str]") -> None:
    client, bucket = s3
    client.put_object(Bucket=bucket, Key="a.mp4", Body=b"x", Metadata={"script": json.dumps({"completions": 2})})
    sns, sqs = connect("sns", aws), connect("sqs", aws)
    topic = sns.create_topic(Name=bucket)["TopicArn"]
    queue = sqs.create_queue(QueueName=bucket)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    channel: Any = {"SNSTopicArn": topic, "RoleArn": "arn:aws:iam::000000000000:role/rekognition"}
    job_id = connect("rekognition", endpoint.url).start_content_moderation(
        Video={"S3Object": {"Bucket": bucket, "Name": "a.mp4"}}, NotificationChannel=channel
    )["JobId"]
    messages: list[Any] = []

    def two_have_come() -> bool:
        messages.extend(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []))
        return len(messages) == 2

    eventually(two_have_come)
    told = [json.loads(json.loads(message["Body"])["Message"]) for message in messages]
    assert [(one["JobId"], one["Status"]) for one in told] == [(job_id, "SUCCEEDED")] * 2
