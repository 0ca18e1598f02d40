"""A local endpoint that speaks the part of Amazon Rekognition Video's protocol that moderation needs."""

from clipwarden_local.endpoint.endpoint import Endpoint, Limits
from clipwarden_local.endpoint.faults import Fault, When

__all__ = ["Endpoint", "Fault", "Limits", "When"]
