"""The metrics that there are, as the code has them: what rules, dashboards and the reference may name."""

import functools

from prometheus_client import Counter, Gauge, Histogram

from clipwarden import metrics
from clipwarden.settings import Settings
from clipwarden_workers.gauges import Gauges

_PARTS = {"histogram": ("_bucket", "_sum", "_count")}


@functools.cache
def catalogue() -> dict[str, str]:
    """Return the type of every metric by its name."""
    values = [value for value in vars(metrics).values() if isinstance(value, Counter | Gauge | Histogram)]
    families = [family for value in values for family in value.describe()]
    counted = {family.name + ("_total" if family.type == "counter" else ""): family.type for family in families}
    return counted | {reading.name: "gauge" for reading in Gauges(Settings()).readings()}


def series() -> set[str]:
    """Return the names under which Prometheus keeps them."""
    return {name + part for name, type in catalogue().items() for part in _PARTS.get(type, ("",))}
