"""Our signatures under the standard's own library, and its signatures under ours."""

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from callbacks import KEY, account
from clipwarden import callback, webhooks

NOW = 1_795_175_940


@given(body=st.text(alphabet=st.characters(codec="utf-8"), max_size=200), id=st.uuids())
def test_both_libraries_make_the_same_signature(body: str, id: object) -> None:
    theirs = Webhook(KEY).sign(msg_id=str(id), timestamp=datetime.fromtimestamp(NOW, UTC), data=body)
    assert webhooks.sign(body, str(id), NOW, [KEY]) == theirs
    assert webhooks.verify(body, str(id), str(NOW), theirs, KEY, now=NOW)


def test_while_a_secret_is_replaced_either_is_enough() -> None:
    fresh = webhooks.new_secret()
    sent = callback.headers('{"a":1}', "d-1", account(), [fresh, KEY], datetime.fromtimestamp(time.time(), UTC))
    assert len(sent["webhook-signature"].split(" ")) == 2
    for key in (fresh, KEY):
        assert Webhook(key).verify('{"a":1}', sent) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(webhooks.new_secret()).verify('{"a":1}', sent)


@pytest.mark.parametrize(
    ("body", "id", "stamp", "now"),
    [
        ("{} ", "d-1", str(NOW), NOW),
        ("{}", "d-2", str(NOW), NOW),
        ("{}", "d-1", str(NOW + 1), NOW),
        ("{}", "d-1", "soon", NOW),
        ("{}", "d-1", str(NOW), NOW + webhooks.TOLERANCE + 1),
        ("{}", "d-1", str(NOW), NOW - webhooks.TOLERANCE - 1),
    ],
)
def test_what_was_changed_or_is_old_is_not_genuine(body: str, id: str, stamp: str, now: int) -> None:
    signature = webhooks.sign("{}", "d-1", NOW, [KEY])
    assert webhooks.verify("{}", "d-1", str(NOW), f"v2,x {signature}", KEY, now=NOW)
    assert not webhooks.verify(body, id, stamp, signature, KEY, now=now)


#: Lone surrogates among it.
anything = st.text(st.characters())


@given(body=anything, id=anything, stamp=anything | st.integers().map(str), signatures=anything)
def test_no_header_whatever_breaks_the_check(body: str, id: str, stamp: str, signatures: str) -> None:
    assert not webhooks.verify(body, id, stamp, signatures, KEY, now=0.5)


def test_a_timestamp_that_no_clock_shows_is_not_genuine() -> None:
    for stamp in ("9" * 400, "-" + "9" * 400, "9" * 5000):
        assert not webhooks.verify("{}", "d-1", stamp, "v1,x", KEY)


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_short", "whsec_&&&&", base64.b64encode(bytes(32)).decode()])
def test_what_is_no_secret_signs_nothing_and_is_not_told(key: str) -> None:
    with pytest.raises(ValueError, match="a webhook secret is whsec_") as caught:
        webhooks.sign("{}", "d-1", NOW, [key])
    assert not key.removeprefix("whsec_") or key not in str(caught.value)
