"""The two operations: StartContentModeration and GetContentModeration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clipwarden_local.analysis.analyser import Analyser, StoredVideo
from clipwarden_local.analysis.objects import ObjectMissing, Objects
from clipwarden_local.analysis.outcome import Outcome
from clipwarden_local.endpoint.completions import Completions
from clipwarden_local.endpoint.faults import Faults, When
from clipwarden_local.endpoint.jobs import Jobs, Started
from clipwarden_local.endpoint.journal import Journal
from clipwarden_local.endpoint.pagination import Pages
from clipwarden_local.endpoint.protocol import Call, ServiceError
from clipwarden_local.endpoint.replies import reply
from clipwarden_local.endpoint.throttle import Throttle
from clipwarden_local.endpoint.validation import input_shapes, validate

START = "StartContentModeration"
GET = "GetContentModeration"


@dataclass(slots=True)
class _Note:
    """What the journal shall say of a call."""

    job_id: str | None = None
    open_jobs: int | None = None


class Service:
    """Answers calls; safe to use from many threads."""

    def __init__(
        self,
        *,
        jobs: Jobs,
        journal: Journal,
        pages: Pages,
        throttle: Throttle,
        faults: Faults,
        objects: Objects,
        analyser: Analyser,
        completions: Completions | None,
        max_bytes: int,
    ) -> None:
        self._jobs = jobs
        self._journal = journal
        self._pages = pages
        self._throttle = throttle
        self._faults = faults
        self._objects = objects
        self._analyser = analyser
        self._completions = completions
        self._max_bytes = max_bytes
        self._shapes = input_shapes(START, GET)
        self._operations: dict[str, Callable[[Call, _Note], dict[str, Any]]] = {START: self._start, GET: self._get}

    def answer(self, call: Call) -> dict[str, Any]:
        """Return the body of the answer; raises ServiceError, and ConnectionDropped where a fault asks for it."""
        note = _Note()
        error: str | None = None
        try:
            return self._answer(call, note)
        except ServiceError as refusal:
            error = refusal.name
            raise
        except Exception as fault:
            error = type(fault).__name__
            raise
        finally:
            self._journal.note(call, job_id=note.job_id, error=error, open_jobs=note.open_jobs)

    def _answer(self, call: Call, note: _Note) -> dict[str, Any]:
        operation = self._operations.get(call.operation)
        if operation is None:
            raise ServiceError("UnknownOperationException", "The operation is not known here.")
        continued = "NextToken" in call.parameters
        self._faults.strike(call.operation, When.BEFORE, continued=continued)
        self._throttle.admit(call.operation, call.region)
        validate(self._shapes[call.operation], call.parameters)
        body = operation(call, note)
        self._faults.strike(call.operation, When.AFTER, continued=continued)
        return body

    def _start(self, call: Call, note: _Note) -> dict[str, Any]:
        request = call.parameters
        started = self._jobs.earlier(call.region, request) or self._accept(call.region, request)
        note.job_id, note.open_jobs = started.job_id, started.open_jobs
        return {"JobId": started.job_id}

    def _accept(self, region: str, request: dict[str, Any]) -> Started:
        if "NotificationChannel" in request and self._completions is None:
            raise ServiceError("InvalidParameterException", "Request has invalid parameters: there are no topics here.")
        video = self._find(region, request["Video"].get("S3Object") or {})
        foreseen = self._analyser.foresee(video)
        started = self._jobs.start(region, request, foreseen)
        if started.repeated:
            return started
        if foreseen.outcome is None:
            self._analyser.begin(started.job_id, video, self._ended)
        self._wake()
        return started

    def _find(self, region: str, place: dict[str, Any]) -> StoredVideo:
        if not place.get("Bucket") or not place.get("Name"):
            raise ServiceError("InvalidParameterException", "Request has invalid parameters: Video needs an S3Object.")
        try:
            video = self._objects.find(place["Bucket"], place["Name"], place.get("Version"), region)
        except ObjectMissing as error:
            raise ServiceError("InvalidS3ObjectException") from error
        if video.size > self._max_bytes:
            raise ServiceError(
                "VideoTooLargeException",
                f"Video size in bytes: {video.size} is more than the maximum limit of: {self._max_bytes} bytes.",
            )
        return video

    def _ended(self, job_id: str, outcome: Outcome) -> None:
        self._jobs.end(job_id, outcome)
        self._wake()

    def _wake(self) -> None:
        if self._completions is not None:
            self._completions.wake()

    def _get(self, call: Call, note: _Note) -> dict[str, Any]:
        note.job_id = call.parameters["JobId"]
        return reply(self._jobs.get(call.region, call.parameters["JobId"]), call.parameters, self._pages)
