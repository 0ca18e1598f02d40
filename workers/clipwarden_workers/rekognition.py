"""Amazon Rekognition Video's two operations, its errors told apart into those that pass and those that stay.

The retry modes are pinned, because boto3's default changed in 1.44 and repeats ``LimitExceededException`` three times:
Start makes exactly one HTTP attempt per call, Get at most three.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import botocore.exceptions
from botocore.config import Config

from clipwarden import aws_calls, errors
from clipwarden.moderation import Location
from clipwarden.settings import CompletionSettings, QuotaSettings
from clipwarden_workers.sessions import session

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import GetContentModerationResponseTypeDef

#: More calls are too fast, or the service itself has a bad moment.
_THROTTLES = frozenset({"ProvisionedThroughputExceededException", "ThrottlingException", "Throttling"})
_PASSING = frozenset({"InternalServerError", "ServiceUnavailable", "RequestTimeout", "500", "502", "503", "504"})
#: An operator's to mend: the videos are not at fault and wait.
_CONFIGURATION = frozenset(
    {
        "AccessDeniedException",
        "AccessDenied",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at a job showed."""

    done: bool
    page: "GetContentModerationResponseTypeDef"


class Rekognition:
    """One region's Rekognition, for jobs over videos that it can read from S3."""

    def __init__(self, settings: QuotaSettings, completion: CompletionSettings | None = None) -> None:
        """Let jobs tell of their end where a topic is set; raises ConfigurationError for one of another region."""
        opened = session(settings)
        self._starter = _client(opened, settings, attempts=1)
        self._getter = _client(opened, settings, attempts=3)
        self._telling = _telling(completion, self.region)

    @property
    def region(self) -> str:
        """Return the region that the calls go to; it names the pool."""
        return self._starter.meta.region_name

    def start(self, video: Location, *, min_confidence: float, token: str, tag: str) -> str:
        """Start a job and return its id; the same token returns the same job for seven days.

        Raises SlotsExhausted, AnalysisUnavailable (again later) or AnalysisRefused (never).
        """
        source: dict[str, Any] = {"Bucket": video.bucket, "Name": video.key}
        if video.version:
            source["Version"] = video.version
        try:
            answer = self._starter.start_content_moderation(
                Video={"S3Object": source},  # type: ignore[typeddict-item] # a key is there or is not
                MinConfidence=min_confidence,
                ClientRequestToken=token,
                JobTag=tag,
                **self._telling,
            )
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
            _raise(exc)
        return answer["JobId"]

    def look(self, job_id: str) -> Look:
        """Return whether a job has succeeded, and the first page of its labels if so.

        Raises AnalysisFailed when it has ended otherwise, ResultsExpired when Rekognition does not know it any more.
        """
        page = self._page(job_id, None)
        if page["JobStatus"] == "FAILED":
            raise errors.AnalysisFailed(page.get("StatusMessage") or "Rekognition gave no reason")
        return Look(done=page["JobStatus"] == "SUCCEEDED", page=page)

    def labels(self, job_id: str, first: "GetContentModerationResponseTypeDef") -> Iterator[dict[str, Any]]:
        """Yield all labels of a job that has ended, page by page, in the order of their timestamps."""
        page = first
        while True:
            yield from page["ModerationLabels"]  # type: ignore[misc] # a TypedDict is a dict
            if not (token := page.get("NextToken")):
                return
            page = self._page(job_id, token)

    def _page(self, job_id: str, token: str | None) -> "GetContentModerationResponseTypeDef":
        more = {"NextToken": token} if token else {}
        try:
            return self._getter.get_content_moderation(
                JobId=job_id,
                MaxResults=1000,
                SortBy="TIMESTAMP",
                AggregateBy="TIMESTAMPS",
                **more,
            )
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
            _raise(exc)


def _telling(settings: CompletionSettings | None, region: str) -> dict[str, Any]:
    if settings is None or settings.topic_arn is None:
        return {}
    if (place := settings.topic_arn.split(":")[3]) != region:
        msg = f"CLIPWARDEN_COMPLETION__TOPIC_ARN is in {place}, but Rekognition is called in {region}: they must agree"
        raise errors.ConfigurationError(msg)
    return {"NotificationChannel": {"SNSTopicArn": settings.topic_arn, "RoleArn": settings.role_arn}}


def _client(opened: boto3.session.Session, settings: QuotaSettings, *, attempts: int) -> "RekognitionClient":
    try:
        client = opened.client(
            "rekognition",
            endpoint_url=settings.endpoint_url,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": attempts},
                connect_timeout=5,
                read_timeout=20,
                max_pool_connections=32,
            ),
        )
    except botocore.exceptions.NoRegionError as exc:
        msg = "no AWS region: set CLIPWARDEN_REKOGNITION__REGION or AWS_DEFAULT_REGION"
        raise errors.ConfigurationError(msg) from exc
    return aws_calls.counted(client)


def _name(exc: Exception) -> str:
    if isinstance(exc, botocore.exceptions.ClientError):
        return str(exc.response.get("Error", {}).get("Code", "unknown"))
    return type(exc).__name__


def _raise(exc: Exception) -> NoReturn:
    name = _name(exc)
    if name == "LimitExceededException":
        raise errors.SlotsExhausted(str(exc)) from exc
    if name == "ResourceNotFoundException":
        raise errors.ResultsExpired("Rekognition does not know the job any more: results are kept for 7 days") from exc
    if not isinstance(exc, botocore.exceptions.ClientError) or _passes(name, exc):
        raise errors.AnalysisUnavailable(f"{name}: {exc}", throttled=name in _THROTTLES) from exc
    raise errors.AnalysisRefused(f"{name}: {_text(exc)}", error=name) from exc


def _passes(name: str, exc: botocore.exceptions.ClientError) -> bool:
    # A page token is good for 24 hours; the next turn begins again with the first page.
    restartable = name == "InvalidPaginationTokenException"
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return restartable or name in _THROTTLES | _PASSING | _CONFIGURATION or status >= 500  # noqa: PLR2004 # a server's fault


def _text(exc: botocore.exceptions.ClientError) -> str:
    return str(exc.response.get("Error", {}).get("Message") or exc)
