"""The bus: Dramatiq on Redis, hardened so that no message is lost or stuck while Redis or a process comes and goes."""

from clipwarden.broker.fault import BusLost
from clipwarden.broker.hardened import HardenedBroker, build_broker

__all__ = ["BusLost", "HardenedBroker", "build_broker"]
