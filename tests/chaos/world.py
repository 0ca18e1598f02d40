"""The world that is tormented: the stack, those whom it works for, and proxies before all that it connects to."""

import contextlib
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr
from sqlalchemy import Engine

import scripting
from chaos import graves
from chaos.proxy import Proxy
from clipwarden.moderation import Account
from clipwarden.processes import Child
from clipwarden.settings import DatabaseSettings, Settings
from clipwarden.store import accounts
from clipwarden.store.clock import DatabaseClock
from clipwarden.store.engine import create_engine, write
from clipwarden_local.ports import free_port
from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures import postgres, s3
from fixtures.aws import ROLE, Aws, Queue
from fixtures.pipeline import SECRET
from json_api import JsonApi
from living import children_of, runs

SLOTS = 6
LEASE = 3.0
BUCKET = "clipwarden"
#: The account whose few videos are overwritten, renamed, deleted and judged again all the time.
SHELF = "shelf"
#: Bytes of the file system that the media store has, where one can be mounted.
ROOM = 256 * 1024**2
#: What is imported by a process whose clock is to be wrong, before anything else.
_SKEW = Path(__file__).parent / "skew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be run."""

    seed: int
    seconds: float  #: Of torment.
    database: str  #: ``postgresql`` or ``sqlite``.
    folder: Path
    skew: int = 0  #: Seconds by which some workers' clocks are ahead.


@dataclass(slots=True, kw_only=True)
class World:
    """All that runs between ``with`` and its end; for the thread that made it, where nothing else is said."""

    plan: Plan
    stack: Stack = field(init=False)
    receiver: Receiver = field(init=False)
    aws: Aws = field(init=False)
    s3_events: Queue = field(init=False)
    completions: Queue = field(init=False)
    engine: Engine = field(init=False)  #: Past the proxy; for any thread.
    api: JsonApi = field(init=False)  #: For any thread.
    clock: DatabaseClock = field(init=False)  #: Likewise.
    account: Account = field(init=False)  #: The first one.
    shelf: Account = field(init=False)
    shelf_api: JsonApi = field(init=False)  #: For any thread.
    proxies: dict[str, Proxy] = field(default_factory=dict)
    server: postgres.Server | None = None
    mounted: bool = False  #: Whether the media store has a file system of its own, which can be filled.
    said: list[str] = field(default_factory=list)  #: What the stack's supervisor said.
    redis_deaths: int = 0  #: How often Redis was killed: what it was told before may be forgotten.
    _opened: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._opened.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    @property
    def media(self) -> Path:
        """Return the folder of the media store."""
        return self.plan.folder / "media"

    @property
    def logs(self) -> Path:
        """Return the file of what workers and the gateway say."""
        return self.plan.folder / "logs"

    @property
    def settings(self) -> Settings:
        """Return the stack's settings, past all proxies."""
        settings = self.stack.settings()
        return settings.model_copy(update={"database": DatabaseSettings(url=SecretStr(self._database_url()))})

    def processes(self, *names: str) -> list[int]:
        """Return the processes of the stack's children of these names."""
        children = [child for child in self.stack.supervisor.children if child.name in names]
        return [child.process.pid for child in children if child.process is not None]

    def workers(self) -> list[int]:
        """Return the worker processes."""
        return self._below("workers", "skewed")

    def gateways(self) -> list[int]:
        """Return the processes that answer requests."""
        return self._below("gateway")

    @property
    def redis_url(self) -> str:
        """Return where Redis is reached through its proxy."""
        return f"redis://127.0.0.1:{self.proxies['redis'].port}/0"

    def tend(self) -> None:
        """Let start again what has died; who dies often starts often."""
        for child in self.stack.supervisor.children:
            child.pause = 0.2
        self.stack.supervisor.tend()

    def heal(self) -> None:
        """End all torments that last."""
        supervisors = self.processes("workers", "skewed", "gateway", "redis")
        for pid in [*self.workers(), *self.gateways(), *supervisors]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for proxy in self.proxies.values():
            proxy.refuses, proxy.delay = False, 0.0
        (self.media / "ballast").unlink(missing_ok=True)
        scripting.order(self.stack.endpoint_url, faults=[])

    def _start(self) -> None:
        self.plan.folder.mkdir(parents=True)
        self._mount()
        for name in ("database", "redis", "endpoint", "sqs"):
            self.proxies[name] = self._opened.enter_context(Proxy())
        if self.plan.database == "postgresql":
            self._start_postgres()
        self._start_aws()
        self.receiver = self._opened.enter_context(Receiver(secret=SECRET))
        self.stack = Stack(self._options(), report=self.said.append)
        self.proxies["redis"].upstream = self.stack.redis_port
        self.proxies["endpoint"].upstream = self.stack.endpoint_port
        self._opened.enter_context(self.stack)
        self._opened.callback(self.heal)
        self.engine = create_engine(self.settings.database)
        self._opened.callback(self.engine.dispose)
        self.api = JsonApi(url=self.stack.gateway_url)
        self.clock = DatabaseClock(self.engine)
        self._make_shelf()
        graves.dig(self.engine)
        self._start_skewed()

    def _below(self, *names: str) -> list[int]:
        return sorted(pid for parent in self.processes(*names) for pid in children_of(parent) if runs(pid))

    def _make_shelf(self) -> None:
        self.shelf_api = JsonApi(url=self.stack.gateway_url, key=SHELF)
        now = self.clock.now()
        with write(self.engine) as conn:
            found = accounts.by_name(conn, "default")
            assert found is not None
            self.account = found
            self.shelf = accounts.ensure(conn, name=SHELF, api_key=SHELF, api_secret=SECRET, now=now)

    def _mount(self) -> None:
        self.media.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(self.media)]
        if os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            self.mounted = True
            self._opened.callback(subprocess.run, ["umount", "-l", str(self.media)], check=False)

    def _start_postgres(self) -> None:
        port = free_port()
        settings = ("fsync=off", "full_page_writes=off", "max_connections=200", "listen_addresses=127.0.0.1")
        self.server = self._opened.enter_context(postgres.running(settings, port=port))
        self.proxies["database"].upstream = port

    def _start_aws(self) -> None:
        url = self._opened.enter_context(s3.serving())
        self.proxies["sqs"].upstream = int(url.rpartition(":")[2])
        self.aws = Aws(url)
        self._opened.callback(self.aws.close)
        self.s3_events = self.aws.queue("events", showings=1000)
        self.completions = self.aws.queue("completions", showings=1000)
        self.aws.subscribe(self.completions, raw=True)

    def _options(self) -> Options:
        return Options(
            data=self.plan.folder,
            api_key="key",
            api_secret=SECRET,
            processes=3,
            gateways=2,
            analyser="scripted",
            lease=LEASE,
            log_level="info",
            logs=self.logs,
            environment=tuple(self._environment().items()),
            endpoint=("--start-rate", "0", "--get-rate", "0", "--sns", self.aws.url),
        )

    def _environment(self) -> dict[str, str]:
        sqs = f"http://127.0.0.1:{self.proxies['sqs'].port}"
        settings = {
            "REDIS__URL": self.redis_url,
            "REKOGNITION__ENDPOINT_URL": f"http://127.0.0.1:{self.proxies['endpoint'].port}",
            "REKOGNITION__SLOTS": str(SLOTS),
            "REKOGNITION__START_RATE": "1000",
            "REKOGNITION__GET_RATE": "1000",
            "REKOGNITION__REFUSED_WAIT": "1",
            "REKOGNITION__REUSE_WINDOW": "0",
            "COMPLETION__TOPIC_ARN": self.aws.topic,
            "COMPLETION__ROLE_ARN": ROLE,
            "COMPLETION__QUEUE_URL": self.completions.url,
            "COMPLETION__ENDPOINT_URL": sqs,
            "S3_INTAKE__QUEUE_URL": self.s3_events.url,
            "S3_INTAKE__ENDPOINT_URL": sqs,
            "S3_INTAKE__PREFIX": "events/",
            "S3_INTAKE__NOTIFICATION_URL": self.receiver.url,
            "API__SOURCE_BUCKETS": BUCKET,
            "CALLBACK__SCHEDULE": ",".join(["0.5", "1"] * 40),
            "CALLBACK__TOTAL_TIMEOUT": "6",
            "CALLBACK__ENDPOINT_PAUSE": "0.5",
            "CALLBACK__ENDPOINT_LONGEST_PAUSE": "1",
            "WORKER__FAULT_WAIT": "0.2",
        }
        if self.plan.database == "postgresql":
            settings["DATABASE__URL"] = (
                f"postgresql+psycopg://postgres@127.0.0.1:{self.proxies['database'].port}/postgres"
            )
        return {f"CLIPWARDEN_{name}": value for name, value in settings.items()}

    def _database_url(self) -> str:
        return self.server.url() if self.server is not None else f"sqlite:///{self.plan.folder / 'clipwarden.db'}"

    def _start_skewed(self) -> None:
        """Start a worker that comes to take the time for another."""
        if not self.plan.skew:
            return
        path = os.pathsep.join([str(_SKEW), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        # Its clock is right at first, and jumps in the midst of the torment.
        jump = str(self.plan.seconds / 4)
        lie = {"PYTHONPATH": path, "CHAOS_SKEW": str(self.plan.skew), "CHAOS_SKEW_AFTER": jump}
        env = self.stack.environment() | lie | {"CLIPWARDEN_WORKER__METRICS_PORT": "0"}
        argv = [sys.executable, "-m", "clipwarden.cli", "worker"]
        self.stack.supervisor.start(Child(name="skewed", argv=argv, env=env, output=self.logs))
