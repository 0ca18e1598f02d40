"""SNS and SQS for a measurement: one server that plays both, with a topic and a queue that is subscribed to it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
from moto.server import ThreadedMotoServer

from clipwarden_local.stack import REGION

_ROLE = "arn:aws:iam::123456789012:role/rekognition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The way that completions take."""

    url: str  #: Of SNS and SQS.
    topic: str
    queue: str

    def environment(self) -> dict[str, str]:
        """Return the settings under which workers use it."""
        return {
            "CLIPWARDEN_COMPLETION__TOPIC_ARN": self.topic,
            "CLIPWARDEN_COMPLETION__ROLE_ARN": _ROLE,
            "CLIPWARDEN_COMPLETION__QUEUE_URL": self.queue,
            "CLIPWARDEN_COMPLETION__ENDPOINT_URL": self.url,
        }


@contextmanager
def channel() -> Iterator[Channel]:
    """Give a topic and its queue for the time of the block."""
    # Its server tells of every request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield _made(f"http://{host}:{port}")
    finally:
        server.stop()


def _made(url: str) -> Channel:
    session = boto3.session.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=REGION)
    sns, sqs = session.client("sns", endpoint_url=url), session.client("sqs", endpoint_url=url)
    topic = sns.create_topic(Name="completions")["TopicArn"]
    queue = sqs.create_queue(QueueName="completions")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return Channel(url=url, topic=topic, queue=queue)
