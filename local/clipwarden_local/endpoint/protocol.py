"""Rekognition's wire forms: JSON 1.1 over ``POST /``, with errors as its clients expect them."""

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "application/x-amz-json-1.1"

_TARGET_PREFIX = "RekognitionService."
#: ``Credential=ID/DATE/REGION/SERVICE/aws4_request`` (AWS Signature Version 4).
_CREDENTIAL = re.compile(r"Credential=[^/\s]+/\d{8}/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request")
_HTTP_STATUS = {"InternalServerError": 500}
_MESSAGES = {
    "AccessDeniedException": "The caller is not authorized to perform this action.",
    "IdempotentParameterMismatchException": "The ClientRequestToken you have supplied is already in use.",
    "InternalServerError": "Internal server error",
    "InvalidPaginationTokenException": "Invalid Token",
    "InvalidParameterException": "Request has invalid parameters",
    "InvalidS3ObjectException": (
        "Unable to get object metadata from S3. Check object key, region and/or access permissions."
    ),
    "ProvisionedThroughputExceededException": "Provisioned Rate exceeded.",
    "ResourceNotFoundException": "Could not find JobId",
    "ThrottlingException": "Slow down; sudden increase in rate of requests.",
}


class ServiceError(Exception):
    """Raised when the service answers with an error of its protocol."""

    def __init__(self, name: str, message: str | None = None, *, http_status: int | None = None) -> None:
        self.name = name
        self.message = message if message is not None else _MESSAGES.get(name, name)
        self.http_status = http_status or _HTTP_STATUS.get(name, 400)
        super().__init__(f"{name}: {self.message}")

    def body(self) -> bytes:
        """Return the body that the error is sent as: clients read ``__type`` and ``Message``."""
        document = {"__type": self.name, "Code": self.name, "Logref": str(uuid.uuid4()), "Message": self.message}
        return json.dumps(document).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as it came in."""

    operation: str
    region: str
    parameters: dict[str, Any]
    invocation: str  #: The same over all HTTP attempts of one SDK call.
    attempt: str  #: Which HTTP attempt this is, such as ``attempt=1; max=3``.


def read_call(headers: Mapping[str, str], body: bytes) -> Call:
    """Return the call in a request; raises ServiceError where it is not one."""
    target = headers.get("X-Amz-Target") or ""
    if not target.startswith(_TARGET_PREFIX):
        raise ServiceError("UnknownOperationException", "The operation is not known here.")
    return Call(
        operation=target.removeprefix(_TARGET_PREFIX),
        region=_region(headers.get("Authorization") or ""),
        parameters=_parameters(body),
        invocation=headers.get("amz-sdk-invocation-id") or "",
        attempt=headers.get("amz-sdk-request") or "",
    )


def _region(authorization: str) -> str:
    scope = _CREDENTIAL.search(authorization)
    if scope is None:
        raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
    if scope["service"] != "rekognition":
        raise ServiceError(
            "InvalidSignatureException", "Credential should be scoped to correct service: 'rekognition'."
        )
    return scope["region"]


def _parameters(body: bytes) -> dict[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", "The request body is not JSON.") from error
    if not isinstance(parameters, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object.")
    return parameters
