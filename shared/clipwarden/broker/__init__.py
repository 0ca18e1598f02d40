"""The bus: Dramatiq on Redis or RabbitMQ, hardened so that no message is lost or stuck while it or a process dies."""

from clipwarden.broker.fault import BusLost
from clipwarden.broker.hardened import HardenedBroker
from clipwarden.broker.opening import Countable, build_broker, build_counter, is_rabbitmq

__all__ = ["BusLost", "Countable", "HardenedBroker", "build_broker", "build_counter", "is_rabbitmq"]
