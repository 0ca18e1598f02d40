"""What failures of S3 calls mean, in the project's terms."""

import contextlib
from collections.abc import Iterator
from http import HTTPStatus

from botocore import exceptions
from botocore.exceptions import ClientError
from s3transfer.exceptions import S3CopyFailedError

from clipwarden.errors import (
    ClipwardenError,
    ConfigurationError,
    MediaChanged,
    MediaNotFound,
    MediaUnavailable,
    SourceRefused,
)
from clipwarden.moderation import Location

# A HEAD's answer has no body: there the status is all there is, and botocore gives it as the code.
_GONE = {"404", "NoSuchKey", "NoSuchBucket", "NoSuchUpload", "NoSuchVersion", "NotFound"}
_CHANGED = {"412", "InvalidPart", "PreconditionFailed"}
_THROTTLED = {"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
_CONCURRENT = {"409", "OperationAborted", "ConditionalRequestConflict"}
_REFUSED = {
    "400",
    "405",
    "EntityTooSmall",
    "EntityTooLarge",
    "InvalidArgument",
    "InvalidBucketName",
    "InvalidObjectState",
    "KeyTooLongError",
}
_MISCONFIGURED = (
    exceptions.ConfigNotFound,
    exceptions.ConfigParseError,
    exceptions.InvalidEndpointConfigurationError,
    exceptions.NoCredentialsError,
    exceptions.NoRegionError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
)


@contextlib.contextmanager
def faults(action: str, location: Location) -> Iterator[None]:
    """Raise in the project's terms what goes wrong in a call of ``action``, an S3 operation, for an object."""
    try:
        yield
    except ClientError as exc:
        raise _meaning(exc, action, location) from exc
    except S3CopyFailedError as exc:  # Raised where a part's source has another etag than the first one's.
        raise MediaChanged(f"{location} changed while it was copied") from exc
    except exceptions.ParamValidationError as exc:
        raise SourceRefused(f"{location} is not a name that S3 could have") from exc
    except _MISCONFIGURED as exc:
        raise ConfigurationError(f"S3 cannot be called: {type(exc).__name__}; see CLIPWARDEN_MEDIA__…") from exc
    except exceptions.BotoCoreError as exc:
        raise MediaUnavailable(f"{action} of {location}: {type(exc).__name__}") from exc


def status(exc: ClientError) -> int:
    """Return the HTTP status of an answer."""
    return exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _meaning(exc: ClientError, action: str, location: Location) -> ClipwardenError:
    # The answer's own message is left out: it names accounts and roles.
    code, answer = exc.response.get("Error", {}).get("Code", ""), status(exc)
    if code in _GONE:
        return MediaNotFound(f"there is no {location}")
    if code in _CHANGED:
        return MediaChanged(f"{location} is not what it was")
    if code in _REFUSED:
        return SourceRefused(f"S3 refuses {action} of {location}: {code}")
    if code in _THROTTLED | _CONCURRENT or _passing(answer):
        return MediaUnavailable(f"{action} of {location}: {code or answer}")
    return ConfigurationError(f"S3 refuses {action} in bucket {location.bucket}: {code}; check permissions and region")


def _passing(answer: int) -> bool:
    lasting = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED}
    return answer == HTTPStatus.TOO_MANY_REQUESTS or (
        answer >= HTTPStatus.INTERNAL_SERVER_ERROR and answer not in lasting
    )
