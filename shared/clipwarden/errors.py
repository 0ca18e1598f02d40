"""Everything clipwarden raises, as one tree.

::

    ClipwardenError
    ├── TransientError                 try again later
    │   ├── BusUnavailable             the bus cannot be reached
    │   ├── StoreUnavailable           the database cannot be reached
    │   ├── MediaUnavailable           the media store cannot be reached
    │   ├── AnalysisUnavailable        Rekognition failed or throttled
    │   ├── SlotsExhausted             Rekognition has no free job slot
    │   ├── DeliveryFailed             a callback was not acknowledged
    │   ├── Overloaded                 a process has no room for more of the kind
    │   └── BodyStalled                a request's body comes too slowly
    └── PermanentError                 trying again changes nothing
        ├── PolicyError                a moderation parameter cannot be read
        ├── MessageError               an enqueued message cannot be read
        ├── RequestRefused             an HTTP request cannot be read
        ├── SourceRefused              a source is not one we read
        ├── MediaNotFound              an object does not exist
        ├── MediaChanged               an object is not the one that was moderated
        ├── MediaRefused               a file is not a video that can be analysed
        ├── AnalysisRefused            Rekognition refuses the request
        ├── AnalysisFailed             Rekognition ended the job without a result
        ├── ResultsExpired             a job's results are gone
        ├── ResultsUnreadable          a job's labels are not what Rekognition documents
        ├── DestinationRefused         an address must not be contacted
        ├── NotFound                   no such account, asset or moderation
        ├── Conflict                   the request contradicts the present state
        ├── KeyReused                  an idempotency key stands for another request
        ├── KeyInUse                   a request with this idempotency key is being worked on
        └── ConfigurationError         a setting is missing or wrong

Each class has a ``code``: the stable slug under which it stands in the database, in logs and in callbacks.
"""

from typing import ClassVar


class ClipwardenError(Exception):
    """Raised when clipwarden cannot do what it was asked to; the root of all others."""

    code: ClassVar[str] = "error"


class TransientError(ClipwardenError):
    """Raised when the same call may succeed later."""

    code = "transient"


class BusUnavailable(TransientError):
    """Raised when the bus cannot be reached."""

    code = "bus_unavailable"


class StoreUnavailable(TransientError):
    """Raised when the database cannot be reached."""

    code = "store_unavailable"


class MediaUnavailable(TransientError):
    """Raised when the media store, or the origin of a video, cannot be reached."""

    code = "media_unavailable"


class AnalysisUnavailable(TransientError):
    """Raised when Rekognition throttles or fails for a moment."""

    code = "analysis_unavailable"

    def __init__(self, message: str, *, throttled: bool = False) -> None:
        super().__init__(message)
        self.throttled = throttled


class SlotsExhausted(TransientError):
    """Raised when Rekognition refuses a job because the account's concurrent jobs are all taken."""

    code = "slots_exhausted"


class DeliveryFailed(TransientError):
    """Raised when a callback was not acknowledged by its receiver."""

    code = "delivery_failed"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        #: HTTP status of the answer, or ``None`` where there was none.
        self.status = status


class Overloaded(TransientError):
    """Raised when a process has as much to do of a kind as it may: uploads in memory, or simulations."""

    code = "overloaded"


class BodyStalled(TransientError):
    """Raised when a request's body comes too slowly, or no longer."""

    code = "body_stalled"


class PermanentError(ClipwardenError):
    """Raised when the same call can never succeed."""

    code = "permanent"


class PolicyError(PermanentError, ValueError):
    """Raised when a moderation parameter cannot be read."""

    code = "invalid_policy"

    def __init__(self, message: str, *, position: int = 0, part: str = "", suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        #: Zero-based offset of the offending part in the parameter.
        self.position = position
        #: The offending part itself.
        self.part = part
        #: Known categories that come nearest, best first.
        self.suggestions = suggestions


class MessageError(PermanentError):
    """Raised when an enqueued message cannot be read."""

    code = "invalid_message"


class RequestRefused(PermanentError):
    """Raised when an HTTP request cannot be read: its form is broken, or exceeds a bound."""

    code = "invalid_request"


class SourceRefused(PermanentError):
    """Raised when a source is of a kind, or at a place, that this installation does not read."""

    code = "source_refused"


class MediaNotFound(PermanentError):
    """Raised when an object does not exist in the media store."""

    code = "media_not_found"


class MediaChanged(PermanentError):
    """Raised when an object is no longer the one that was moderated."""

    code = "media_changed"


class MediaRefused(PermanentError):
    """Raised when a file is not a video that Rekognition would analyse."""

    code = "media_refused"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        #: A stable slug: ``empty``, ``container``, ``codec``, ``too_small``, ``too_large``, ``too_long``, ``damaged``…
        self.reason = reason


class AnalysisRefused(PermanentError):
    """Raised when Rekognition refuses a request for good."""

    code = "analysis_refused"

    def __init__(self, message: str, *, error: str) -> None:
        super().__init__(message)
        #: Rekognition's own name of the error, such as ``InvalidS3ObjectException``.
        self.error = error


class AnalysisFailed(PermanentError):
    """Raised when Rekognition ended a job without a result."""

    code = "analysis_failed"


class ResultsExpired(PermanentError):
    """Raised when a job's results are gone: Rekognition keeps them for seven days."""

    code = "results_expired"


class ResultsUnreadable(PermanentError):
    """Raised when a label is not of the form that Rekognition documents; such a result is never judged."""

    code = "results_unreadable"


class DestinationRefused(PermanentError):
    """Raised when an address must not be contacted from here."""

    code = "destination_refused"


class NotFound(PermanentError):
    """Raised when an account, asset or moderation does not exist."""

    code = "not_found"


class Conflict(PermanentError):
    """Raised when a request contradicts the present state."""

    code = "conflict"


class KeyReused(PermanentError):
    """Raised when an idempotency key was used for another request."""

    code = "idempotency_key_reused"


class KeyInUse(PermanentError):
    """Raised when a request with the same idempotency key is being worked on."""

    code = "idempotency_key_in_use"


class ConfigurationError(PermanentError):
    """Raised when a setting is missing or wrong; the message says which and what to do."""

    code = "configuration"
