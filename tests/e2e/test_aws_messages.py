"""Worker processes read the queues that the settings name, and end while they wait for messages."""

import json
from pathlib import Path

from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures.aws import Aws, Queue
from fixtures.clips import Clips
from waiting import eventually


def test_a_worker_process_reads_its_queues_and_stops_while_it_waits_for_more(
    tmp_path: Path, clips: Clips, aws: Aws, completions: Queue, s3_events: Queue
) -> None:
    reading = {
        "CLIPWARDEN_S3_INTAKE__QUEUE_URL": s3_events.url,
        "CLIPWARDEN_S3_INTAKE__ENDPOINT_URL": aws.url,
        "CLIPWARDEN_COMPLETION__QUEUE_URL": completions.url,
        "CLIPWARDEN_COMPLETION__ENDPOINT_URL": aws.url,
    }
    ended: list[str] = []
    with Receiver(secret="s") as receiver:
        environment = (*reading.items(), ("CLIPWARDEN_S3_INTAKE__NOTIFICATION_URL", receiver.url))
        options = Options(data=tmp_path, analyser="scripted", log_level="error", environment=environment)
        with Stack(options, report=ended.append):
            video = tmp_path / "media" / "clipwarden" / "uploads" / "a b.mp4"
            video.parent.mkdir()
            video.write_bytes(clips("plain").read_bytes())
            place = {"bucket": {"name": "clipwarden"}, "object": {"key": "uploads/a+b.mp4", "sequencer": "1"}}
            aws.send(s3_events, json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": place}]}))
            aws.send(completions, json.dumps({"JobId": "0"}))
            eventually(lambda: receiver.received, within=60)
            eventually(lambda: aws.left(s3_events.url) + aws.left(completions.url) == 0)
    assert json.loads(receiver.received[0].body)["public_id"] == "uploads/a b.mp4"
    assert [line for line in ended if not line.startswith("starting")] == []
