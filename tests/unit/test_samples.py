"""Sample events look as real ones do, and are about nothing that there is."""

import json

import pytest

from callbacks import DECIDED_AT, account, asset, label, moderation
from clipwarden import callback, samples
from clipwarden.moderation import Kind, Status
from clipwarden.samples import Sample

URL = "https://media.example"


def real(sample: Sample) -> str:
    """Return what is told of such an event."""
    rejected = moderation(status=Status.REJECTED)
    chain = [rejected, moderation(kind=Kind.MANUAL, status=Status.ABORTED)]
    bodies = {
        Sample.TEST: callback.test_body(account(), by="ann", triggered_at=DECIDED_AT),
        Sample.MODERATION: callback.moderation_body(
            account(), asset(), rejected, [label()], public_url=URL, triggered_at=DECIDED_AT
        ),
        Sample.SUMMARY: callback.summary_body(
            account(), asset(), chain, public_url=URL, triggered_at=DECIDED_AT, sequence=1
        ),
        Sample.DISABLED: callback.disabled_body(account(), "x", reason="gone", waiting=1, triggered_at=DECIDED_AT),
    }
    return bodies[sample]


@pytest.mark.parametrize("sample", Sample)
def test_a_sample_is_told_as_its_event_is_and_says_that_it_is_a_test(sample: Sample) -> None:
    said = json.loads(samples.body(account(), sample, by="ann", public_url=URL, triggered_at=DECIDED_AT))
    assert said.pop("test") is True
    assert list(said) == list(json.loads(real(sample)))
    assert said["notification_type"] == sample
    assert said["notification_context"]["triggered_by"] == {"source": "api", "id": "ann"}


def test_the_sample_of_a_moderation_is_a_rejection_of_nobodys_asset() -> None:
    text = samples.body(account(), Sample.MODERATION, by="ann", public_url=URL, triggered_at=DECIDED_AT)
    said = json.loads(text)
    assert (said["moderation_status"], said["moderation_reasons"][0]["label"]) == ("rejected", "Explicit Nudity")
    assert (said["moderation_id"], said["asset_id"]) == (samples.NOBODYS, "0" * 32)
    assert text == text.encode("ascii").decode()
