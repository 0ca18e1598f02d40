"""The whole stack and those whom it works for, started for one load: nothing torments them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from clipwarden_local.receiver import Receiver
from clipwarden_local.stack import Options, Stack
from fixtures import postgres
from fixtures.pipeline import SECRET
from json_api import JsonApi
from living import children_of

#: More than the jobs that this machine keeps open: slots are measured elsewhere.
SLOTS = 200
WORKERS = 2
BUCKET = "clipwarden"
#: Milliseconds from which on PostgreSQL writes a statement down.
SLOW_MS = 1000
#: Every commit is on disk.
_DURABLE = ("max_connections=200", "listen_addresses=", f"log_min_duration_statement={SLOW_MS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that runs; for the thread that made it, where nothing else is said."""

    folder: Path
    stack: Stack
    receiver: Receiver
    server: postgres.Server
    engine: Engine  #: For any thread.
    api: JsonApi  #: For any thread.
    said: list[str]  #: What the stack's supervisor said.

    @property
    def media(self) -> Path:
        """Return the folder of the media store."""
        return self.folder / "media"

    @property
    def temporary(self) -> tuple[Path, ...]:
        """Return the folders in which nothing stays: of all processes, and of what the media store has not yet kept."""
        return self.folder / "tmp", self.media / ".clipwarden"

    def processes(self) -> dict[str, int]:
        """Return all processes that last, by what they are."""
        children = {child.name: child.process.pid for child in self.stack.supervisor.children if child.process}
        found = {f"{name} supervisor" if name in _FAMILIES else name: pid for name, pid in children.items()}
        for name, kind in _FAMILIES.items():
            mine = sorted(children_of(children[name]))
            found |= {f"{kind} {number}": pid for number, pid in enumerate(mine, start=1)}
        return found

    def ended(self) -> list[str]:
        """Return which processes have ended and were started again."""
        return [text for text in self.said if " ended " in text]

    def slow(self) -> list[str]:
        """Return what PostgreSQL wrote of each slow statement: its milliseconds and its beginning."""
        lines = (self.server.folder / "log").read_text(errors="replace").splitlines()
        return [line.partition("duration: ")[2][:200] for line in lines if "duration: " in line]


#: Children of the stack that are processes of their own below a supervisor, and what those are.
_FAMILIES = {"workers": "worker", "gateway": "gateway"}


@contextmanager
def running(folder: Path) -> Iterator[World]:
    """Give a world for the time of the block; it leaves its data in ``folder``."""
    said: list[str] = []
    (folder / "tmp").mkdir(parents=True)
    with ExitStack() as opened:
        server = opened.enter_context(postgres.running(_DURABLE))
        receiver = opened.enter_context(Receiver(secret=SECRET))
        stack = opened.enter_context(Stack(_options(folder, server.url()), report=said.append))
        engine = opened.enter_context(stack.engine())
        yield World(
            folder=folder,
            stack=stack,
            receiver=receiver,
            server=server,
            engine=engine,
            api=JsonApi(url=stack.gateway_url),
            said=said,
        )


def _options(folder: Path, database: str) -> Options:
    settings = {
        "DATABASE__URL": database,
        "REKOGNITION__SLOTS": str(SLOTS),
        "REKOGNITION__START_RATE": "1000",
        "REKOGNITION__GET_RATE": "1000",
        "REKOGNITION__REUSE_WINDOW": "0",
        "API__SOURCE_BUCKETS": BUCKET,
        "CALLBACK__ENDPOINT_RATE": "0",
    }
    environment = {f"CLIPWARDEN_{name}": value for name, value in settings.items()}
    return Options(
        data=folder,
        api_key="key",
        api_secret=SECRET,
        processes=WORKERS,
        analyser="scripted",
        log_level="warning",
        logs=folder / "logs",
        environment=tuple({**environment, "TMPDIR": str(folder / "tmp")}.items()),
        endpoint=("--open-jobs", str(SLOTS), "--start-rate", "0", "--get-rate", "0"),
    )
