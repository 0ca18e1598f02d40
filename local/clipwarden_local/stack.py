"""The whole stack on one machine: a private Redis, the local endpoint and workers, as supervised child processes.

Everything is kept below one folder, so starting again over the same folder resumes unfinished work.
"""

import fcntl
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from clipwarden import errors
from clipwarden.cli import user
from clipwarden.people import Role
from clipwarden.processes import Child, Supervisor
from clipwarden.settings import Settings
from clipwarden.store import accounts, migrating, users
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, write
from clipwarden_local import private_redis
from clipwarden_local.ports import free_port

#: The region that the local endpoint plays.
REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose about the stack."""

    data: Path
    port: int = 0  #: Of the gateway; 0 for a free one.
    metrics_port: int = 0  #: Of the workers' figures; 0 for a free one.
    account: str = "default"
    api_key: str | None = None
    api_secret: str | None = None
    processes: int = 1  #: That work.
    gateways: int = 1  #: Processes that answer.
    analyser: str = "frames"
    log_level: str = "info"
    lease: float = 10.0
    environment: tuple[tuple[str, str], ...] = ()  #: Settings that differ from the stack's.
    endpoint: tuple[str, ...] = ()  #: Further arguments of the local endpoint.
    logs: Path | None = None  #: File for what workers and the gateway say; ours without one.


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a data folder's installation is made up with once, and keeps."""

    api_key: str
    api_secret: str
    url_secret: str


class Stack:
    """The stack, running between ``with`` and its end; start and stop it from one thread."""

    def __init__(self, options: Options, report: Callable[[str], None]) -> None:
        self.options = options
        self._report = report
        self._supervisor = Supervisor(lambda name, event: report(f"{name} {event}"))
        self._data = options.data.absolute()
        self._lock: int | None = None
        self.port = options.port or free_port()
        self.endpoint_port = free_port()
        self.metrics_port = options.metrics_port or free_port()
        self.gateway_metrics_port = free_port()
        self.redis_port = free_port()

    def __enter__(self) -> Self:
        """Start everything, in the order in which it depends on each other; on failure nothing is left running."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.close()

    def close(self) -> None:
        """Stop every child and release the data folder."""
        self._supervisor.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def supervisor(self) -> Supervisor:
        """Return what keeps the children running."""
        return self._supervisor

    @property
    def redis_url(self) -> str:
        """Return where producers enqueue."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @property
    def endpoint_url(self) -> str:
        """Return where the local endpoint listens."""
        return f"http://127.0.0.1:{self.endpoint_port}"

    @property
    def gateway_url(self) -> str:
        """Return where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def cloudinary_url(self) -> str:
        """Return the address that Cloudinary's SDKs are configured with, the account's secret in it."""
        kept = self.secrets()
        place = f"{kept.api_key}:{kept.api_secret}@{self.options.account}"
        return f"cloudinary://{place}?upload_prefix={self.gateway_url}"

    @property
    def metrics_url(self) -> str:
        """Return where the workers' figures are served."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def console_url(self) -> str:
        """Return where a person reviews: a link for the first one to choose a password, until they have."""
        with self.engine() as engine:
            now = DatabaseClock(engine).now()
            with write(engine) as conn:
                everybody = users.every(conn) or [users.add(conn, "admin", role=Role.ADMIN, account_ids=None, now=now)]
                waits = len(everybody) == 1 and not everybody[0].has_password
                return user.link(conn, everybody[0], self.settings(), now) if waits else f"{self.gateway_url}/console/"

    def environment(self) -> dict[str, str]:
        """Return the environment in which every clipwarden command works on this stack."""
        return {
            "CLIPWARDEN_DATABASE__URL": f"sqlite:///{self._data / 'clipwarden.db'}",
            "CLIPWARDEN_REDIS__URL": self.redis_url,
            "CLIPWARDEN_MEDIA__ROOT": str(self._data / "media"),
            "CLIPWARDEN_MEDIA__PUBLIC_URL": self.gateway_url,
            "CLIPWARDEN_MEDIA__URL_SECRET": self.secrets().url_secret,
            "CLIPWARDEN_REKOGNITION__ENDPOINT_URL": self.endpoint_url,
            "CLIPWARDEN_REKOGNITION__REGION": REGION,
            "CLIPWARDEN_REKOGNITION__GET_RATE": "20",
            "CLIPWARDEN_REKOGNITION__FIRST_LOOK": "0.5",
            "CLIPWARDEN_REKOGNITION__LONGEST_INTERVAL": "5",
            "CLIPWARDEN_WORKER__LEASE": str(self.options.lease),
            "CLIPWARDEN_WORKER__METRICS_PORT": str(self.metrics_port),
            "CLIPWARDEN_CALLBACK__ALLOW_NETWORKS": "127.0.0.0/8,::1/128",
            "CLIPWARDEN_API__PORT": str(self.port),
            "CLIPWARDEN_API__METRICS_PORT": str(self.gateway_metrics_port),
            "CLIPWARDEN_LOG__LEVEL": self.options.log_level,
            # The local endpoint checks no signature, but boto3 insists on having something to sign with.
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        } | dict(self.options.environment)

    def settings(self) -> Settings:
        """Return the stack's settings for use in this process."""
        groups: dict[str, dict[str, str]] = {}
        for name, value in self.environment().items():
            if name.startswith("CLIPWARDEN_"):
                group, key = name.removeprefix("CLIPWARDEN_").lower().split("__")
                groups.setdefault(group, {})[key] = value
        return Settings.model_validate(groups)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Give an engine on the stack's database for the time of the block."""
        opened = create_engine(self.settings().database, patient=True)
        try:
            yield opened
        finally:
            opened.dispose()

    def secrets(self) -> Secrets:
        """Return the data folder's secrets, made up and kept on first use."""
        self._data.mkdir(parents=True, exist_ok=True)
        path = self._data / "secrets.json"
        if not path.exists():
            made = {
                "api_key": str(secrets.randbelow(10**15)).zfill(15),
                "api_secret": secrets.token_urlsafe(24),
                "url_secret": secrets.token_urlsafe(32),
            }
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(made, file)
        kept = Secrets(**json.loads(path.read_text()))
        options = self.options
        return Secrets(
            api_key=options.api_key or kept.api_key,
            api_secret=options.api_secret or kept.api_secret,
            url_secret=kept.url_secret,
        )

    def _start(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._prepare_database()
        self._start_redis()
        self._start_endpoint()
        self._start_workers()
        self._start_gateway()

    def _take_lock(self) -> None:
        self._lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise errors.Conflict(f"another clipwarden is running on {self._data}; choose another --data") from exc

    def _prepare_database(self) -> None:
        kept = self.secrets()
        with self.engine() as engine:
            migrating.upgrade(engine)
            now = DatabaseClock(engine).now()
            with write(engine) as conn:
                name = self.options.account
                accounts.ensure(conn, name=name, api_key=kept.api_key, api_secret=kept.api_secret, now=now)

    def _start_redis(self) -> None:
        folder = self._data / "redis"
        folder.mkdir(exist_ok=True)
        argv = private_redis.server_command(private_redis.find_server(), data=folder, port=self.redis_port)
        self._keep(Child(name="redis", argv=argv, output=folder / "log"))
        private_redis.wait_until_ready(self.redis_url, deadline=20)

    def _start_endpoint(self) -> None:
        (self._data / "media" / self.settings().media.bucket).mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "clipwarden_local.endpoint", "--port", str(self.endpoint_port)]
        argv += ["--data", str(self._data / "endpoint"), "--objects", str(self._data / "media")]
        argv += ["--analyser", self.options.analyser, *self.options.endpoint]
        child = self._keep(
            Child(name="endpoint", argv=argv, env=self.environment(), output=self._data / "endpoint.log")
        )
        _wait_for(child, f"{self.endpoint_url}/healthz", seconds=60)

    def _start_workers(self) -> None:
        argv = [sys.executable, "-m", "clipwarden.cli", "worker", "--processes", str(self.options.processes)]
        child = self._keep(Child(name="workers", argv=argv, env=self.environment(), output=self.options.logs))
        _wait_for(child, f"http://127.0.0.1:{self.metrics_port}/healthz", seconds=60)

    def _start_gateway(self) -> None:
        argv = [sys.executable, "-m", "clipwarden.cli", "api", "--processes", str(self.options.gateways)]
        child = self._keep(Child(name="gateway", argv=argv, env=self.environment(), output=self.options.logs))
        _wait_for(child, f"{self.gateway_url}/readyz", seconds=60)

    def _keep(self, child: Child) -> Child:
        self._report(f"starting {child.name}")
        return self._supervisor.start(child)


def _wait_for(child: Child, url: str, *, seconds: float) -> None:
    """Wait until a child answers; say why not if it ends instead."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # our own loopback address
                return
        except (urllib.error.URLError, OSError) as exc:
            if not child.running or time.monotonic() > end:
                last = child.output.read_text(errors="replace").strip().splitlines()[-1:] if child.output else []
                raise errors.ConfigurationError(f"{child.name} did not start: {last or exc}") from exc
            time.sleep(0.05)
