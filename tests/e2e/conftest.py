"""All that these tests say is listened to: stacks at their most talkative, children, and what the tests run themselves.

None of it may tell a secret that was used. That what is said arrives here at all is seen by a word that a child says.
"""

import contextlib
import dataclasses
import functools
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from clipwarden import errors
from clipwarden.media.links import Links
from clipwarden.store import schema, sessions, users
from clipwarden.store.engine import create_engine, read
from clipwarden.store.schema.columns import Sealed
from clipwarden_api.console import cookie
from clipwarden_local.stack import Options, Stack
from fixtures.console import PASSWORD
from overheard import RUN

AWS_SECRET = "aws-secret-of-the-tests"  # Nobody's.
_SECRETS = (
    schema.accounts.c.api_secret,
    schema.accounts.c.webhook_secret,
    schema.api_keys.c.secret,
    schema.endpoints.c.secret,
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test after which a secret was heard; sections hold what it and its children have printed."""
    report = yield
    if report.when != "teardown":
        return report
    for _, text in report.sections:
        RUN.hear(text)
    leaks, word = RUN.leaks(), item.stash.get(_WORD, None)
    if leaks:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}, or a test before it, has said secrets: {sorted(leaks)}"
    elif word is not None and not RUN.has_heard(word):
        report.outcome, report.longrepr = "failed", "children are not listened to"
    return report


@pytest.fixture(autouse=True)
def _a_child_is_heard(request: pytest.FixtureRequest) -> None:
    """Have a child say a word on the standard error that children inherit; nothing is kept where all is shown."""
    word = f"planted {uuid4().hex}"
    subprocess.run([sys.executable, "-Ic", f"import sys; sys.stderr.write('{word}\\n')"], check=True)
    if request.config.getoption("capture") == "fd":
        request.node.stash[_WORD] = word


_WORD = pytest.StashKey[str]()


@pytest.fixture(autouse=True, scope="session")
def _secrets_are_known() -> Iterator[None]:
    """Have all that makes secrets in this process tell of them, and stacks and programs tell what they say."""
    RUN.note("password", PASSWORD)
    with pytest.MonkeyPatch.context() as patched:
        for holder, function, name in (
            (sessions, "begin", "session's token"),
            (users, "make_link", "link to choose a password"),
            (cookie, "proof", "proof of a session"),
            (Links, "_signature", "signature of a URL"),
        ):
            patched.setattr(holder, function, _noted(getattr(holder, function), name))
        patched.setattr(Sealed, "process_bind_param", _sealed(Sealed.process_bind_param))
        patched.setattr(subprocess, "run", _heard(subprocess.run))
        yield


def _noted(make: Callable[..., str], name: str) -> Callable[..., str]:
    @functools.wraps(make)
    def noted(*args: Any, **options: Any) -> str:
        made = make(*args, **options)
        RUN.note(name, made)
        return made

    return noted


def _sealed(bind: Callable[..., str | None]) -> Callable[..., str | None]:
    @functools.wraps(bind)
    def sealed(self: Sealed, value: str | None, dialect: sa.Dialect) -> str | None:
        RUN.note("secret of an account, a key or an endpoint", value)
        return bind(self, value, dialect)

    return sealed


def _heard(run: Callable[..., Any]) -> Callable[..., Any]:
    """Listen to what programs complain of where a test keeps it to itself."""

    @functools.wraps(run)
    def heard(*args: Any, **options: Any) -> Any:
        result = run(*args, **options)
        RUN.hear(result.stderr)
        return result

    return heard


@pytest.fixture(autouse=True, scope="session")
def _stacks_are_heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder, begin, close = tmp_path_factory.mktemp("logs"), Stack.__init__, Stack.close
    kept: dict[int, Path] = {}

    def talkative(stack: Stack, options: Options, report: Callable[[str], None]) -> None:
        logs = options.logs or folder / f"{len(kept)}.log"
        environment = (*options.environment, ("AWS_SECRET_ACCESS_KEY", AWS_SECRET))
        begin(stack, dataclasses.replace(options, logs=logs, log_level="debug", environment=environment), report)
        kept[id(stack)] = logs

    def listening(stack: Stack) -> None:
        for name, secret in secrets_of(stack).items():
            RUN.note(name, secret)
        close(stack)
        if id(stack) in kept and kept[id(stack)].exists():
            RUN.hear(kept[id(stack)].read_bytes())

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
