"""What every stack of these tests says is kept, at its most talkative, and must tell none of its secrets."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from clipwarden import errors
from clipwarden.store import schema
from clipwarden.store.engine import create_engine, read
from clipwarden_local.stack import Options, Stack

AWS_SECRET = "aws-secret-of-the-tests"  # Nobody's.
_SECRETS = (
    schema.accounts.c.api_secret,
    schema.accounts.c.webhook_secret,
    schema.api_keys.c.secret,
    schema.endpoints.c.secret,
)


@pytest.fixture(autouse=True, scope="session")
def _logs_tell_no_secrets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder, begin, close = tmp_path_factory.mktemp("logs"), Stack.__init__, Stack.close
    kept: dict[int, Path] = {}

    def talkative(stack: Stack, options: Options, report: Callable[[str], None]) -> None:
        logs = options.logs or folder / f"{len(kept)}.log"
        environment = (*options.environment, ("AWS_SECRET_ACCESS_KEY", AWS_SECRET))
        begin(stack, dataclasses.replace(options, logs=logs, log_level="debug", environment=environment), report)
        kept[id(stack)] = logs

    def listening(stack: Stack) -> None:
        secrets = secrets_of(stack)
        close(stack)
        if id(stack) in kept and kept[id(stack)].exists():
            said = kept[id(stack)].read_text(errors="replace")
            assert not {name for name, secret in secrets.items() if secret in said}

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Stack, "__init__", talkative)
        patched.setattr(Stack, "close", listening)
        yield


def secrets_of(stack: Stack) -> dict[str, str]:
    """Return all that nobody but its owner may know of a stack, by where it stands."""
    made = stack.secrets()
    found = {"api_secret": made.api_secret, "url_secret": made.url_secret, "AWS_SECRET_ACCESS_KEY": AWS_SECRET}
    settings = stack.settings().database
    found |= {f"secret_keys {number}": key.get_secret_value() for number, key in enumerate(settings.secret_keys)}
    for key in stack.options.data.glob("*.key"):
        found[key.name] = key.read_text().strip()
    engine = create_engine(settings)
    with contextlib.suppress(errors.StoreUnavailable, sa.exc.DBAPIError), read(engine) as conn:
        for column in _SECRETS:
            stored = conn.execute(sa.select(column).where(column.is_not(None))).scalars()
            found |= {f"{column} {number}": secret for number, secret in enumerate(stored)}
    engine.dispose()
    return found
