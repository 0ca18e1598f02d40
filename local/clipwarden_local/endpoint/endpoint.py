"""The endpoint as a whole: what it is made of, and how it begins and ends."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from clipwarden_local.analysis.analyser import Analyser
from clipwarden_local.analysis.objects import Objects
from clipwarden_local.analysis.scripted import Script, ScriptedAnalyser
from clipwarden_local.endpoint.book import Book
from clipwarden_local.endpoint.completions import Completions, Publish
from clipwarden_local.endpoint.faults import Fault, Faults
from clipwarden_local.endpoint.jobs import Jobs
from clipwarden_local.endpoint.journal import Journal
from clipwarden_local.endpoint.pagination import Pages
from clipwarden_local.endpoint.server import Server
from clipwarden_local.endpoint.service import GET, START, Service
from clipwarden_local.endpoint.throttle import Throttle


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Quotas, as AWS grants them by default (https://docs.aws.amazon.com/general/latest/gr/rekognition.html)."""

    open_jobs: int = 20  #: Jobs in progress at once, per region.
    start_rate: float = 5.0  #: Start calls per second; 0 for no limit.
    get_rate: float = 20.0  #: Get calls per second; 0 for no limit.
    max_bytes: int = 10 * 1024**3  #: Largest video.


class Orders(BaseModel):
    """What ``PUT /_script`` takes: each part replaces what was told before, a missing one changes nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    script: Script | None = None
    """For all videos without a script of their own."""
    faults: tuple[Fault, ...] | None = None
    """What goes wrong with the next calls."""


class Endpoint:
    """Speaks Rekognition's protocol on ``url`` from ``start`` to ``close``, or for a ``with`` block."""

    def __init__(
        self,
        *,
        data: Path,
        objects: Objects,
        analyser: Analyser,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        publish: Publish | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the job book in the folder ``data`` and bind the port; 0 takes a free one.

        Without ``publish``, jobs that ask for a completion message are refused.
        """
        limits = limits or Limits()
        self._analyser = analyser
        self._book = Book(data / "rekognition.db")
        self.jobs = Jobs(self._book, clock, limit=limits.open_jobs)
        self.journal = Journal(self._book, clock)
        self.faults = Faults()
        self._completions = Completions(self._book, publish, clock) if publish is not None else None
        service = Service(
            jobs=self.jobs,
            journal=self.journal,
            pages=Pages(self._book.secret(), clock),
            throttle=Throttle({START: limits.start_rate, GET: limits.get_rate}, clock),
            faults=self.faults,
            objects=objects,
            analyser=analyser,
            completions=self._completions,
            max_bytes=limits.max_bytes,
        )
        resources = {
            ("GET", "/healthz"): self._health,
            ("GET", "/_journal"): self._read_journal,
            ("PUT", "/_script"): self._take_orders,
        }
        self._server = Server((host, port), answer=service.answer, analyser=analyser.name, resources=resources)
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="endpoint", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Fail what an earlier process left in progress, then answer calls."""
        self.jobs.interrupt()
        if self._completions is not None:
            self._completions.start()
        self._thread.start()

    def close(self) -> None:
        """Stop answering and end all that runs; jobs in progress fail at the next start."""
        self._server.shutdown()
        self._server.server_close()
        self._analyser.close()
        if self._completions is not None:
            self._completions.close()
        self._book.close()

    def tell(self, script: Script) -> None:
        """Let a scripted analyser follow this script from now on."""
        if not isinstance(self._analyser, ScriptedAnalyser):
            raise ValueError("The analyser takes no script.")  # noqa: TRY004 - the order is wrong, not a type
        self._analyser.tell(script)

    def _health(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        del query, body
        return {"status": "ok", "analyser": self._analyser.name, "open_jobs": self.jobs.open_jobs()}

    def _read_journal(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        del body
        return self.journal.summary() | {"calls": self.journal.calls(after=int(query.get("after", "0")))}

    def _take_orders(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        del query
        orders = Orders.model_validate(json.loads(body))
        if orders.script is not None:
            self.tell(orders.script)
        if orders.faults is not None:
            self.faults.clear()
            self.faults.tell(*orders.faults)
        return {"status": "ok"}
