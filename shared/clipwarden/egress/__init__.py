"""Guarded egress: HTTP to addresses that others name, without being led into our own network."""

from clipwarden.egress.client import Egress, Response
from clipwarden.egress.destination import Destination, redact
from clipwarden.egress.opening import open_egress
from clipwarden.egress.spending import Pace

__all__ = ["Destination", "Egress", "Pace", "Response", "open_egress", "redact"]
