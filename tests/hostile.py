"""Messages of queues as nobody would send them: with anything in any place of what SNS, S3 and Rekognition say."""

import json
from typing import Any

from hypothesis import strategies as st

#: Lone surrogates and NULs among it.
texts = st.text(st.characters(), max_size=12)
json_values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
#: What the messages of SNS, S3 and EventBridge are made of, with anything in any place.
_KEYS = """
Type Message TopicArn Records source detail detail-type time eventName eventTime s3 bucket object name key eTag etag
versionId version-id sequencer JobId Status Service Event
"""
keys = st.sampled_from(_KEYS.split())
words = st.sampled_from(
    [
        *(
            "Notification",
            "SubscriptionConfirmation",
            "aws.s3",
            "aws:s3",
            "ObjectCreated:Put",
            "Object Created",
            "null",
        ),
        *("clips", "a%00b", "%ff", "+", "../x", "x" * 2000, "SUCCEEDED"),
    ]
)
messages: Any = st.recursive(
    words | json_values,
    lambda inner: (
        st.dictionaries(keys, inner, max_size=5)
        | st.lists(inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(json.dumps)
    ),
    max_leaves=12,
)
