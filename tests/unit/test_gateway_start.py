"""The gateway says as it starts what had better be otherwise."""

import pytest
from structlog.testing import capture_logs

from clipwarden.settings import Settings
from clipwarden_api import server

POSTGRESQL, SQLITE = "postgresql+psycopg://host/name", "sqlite:///clipwarden.db"


@pytest.mark.parametrize(
    ("url", "keys", "warned"), [(POSTGRESQL, "", True), (POSTGRESQL, "key", False), (SQLITE, "", False)]
)
def test_secrets_that_are_stored_as_they_are_are_warned_of(url: str, keys: str, warned: bool) -> None:  # noqa: FBT001 # a case's value
    with capture_logs() as said:
        server.warn(Settings.model_validate({"database": {"url": url, "secret_keys": keys}}))
    assert [one["event"] for one in said] == (["secrets not sealed"] if warned else [])
