"""The metrics that there are, as the code has them: what rules, dashboards and the reference may name."""

import functools
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

from clipwarden import metrics
from clipwarden.settings import Settings
from clipwarden_workers.gauges import Gauges

_PARTS = {"histogram": ("_bucket", "_sum", "_count")}


@functools.cache
def catalogue() -> dict[str, str]:
    """Return the type of every metric by its name."""
    families = [family for value in _counted() for family in value.describe()]
    counted = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
    return counted | {reading.name: "gauge" for reading in _read()}


def labels() -> dict[str, tuple[str, ...]]:
    """Return the labels of every metric by its name."""
    counted = {family.name: value._labelnames for value in _counted() for family in value.describe()}
    named = {name: counted.get(name, counted.get(name.removesuffix("_total"), ())) for name in catalogue()}
    return named | {reading.name: reading.labels for reading in _read()}


def _counted() -> list[Counter | Gauge | Histogram]:
    return [value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)]


def _read() -> list[metrics.Reading[Any]]:
    return [metrics.REACHABLE, *(one for source in Gauges(Settings()).sources() for one in source.readings)]


def series() -> set[str]:
    """Return the names under which Prometheus keeps them."""
    return {name + part for name, type in catalogue().items() for part in _PARTS.get(type, ("",))}
