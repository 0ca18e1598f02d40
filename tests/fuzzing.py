"""How thoroughly a property is tried: by the profile of the run, and less of what takes long."""

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings

#: Examples of a property in the profile ``fuzz``, for those who name no other number.
_LONG = "2000"


def register() -> None:
    """Let no property fail for being slow, and make the profile ``fuzz`` known.

    That has as many examples as the environment's ``EXAMPLES``.
    """
    settings.register_profile("tests", deadline=None)
    settings.load_profile("tests")
    settings.register_profile(
        "fuzz",
        max_examples=int(os.environ.get("EXAMPLES", _LONG)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        print_blob=True,
    )


def tried(share: float, *, suppress: Sequence[HealthCheck] = ()) -> settings:
    """Return settings that try this share of the profile's examples, in whatever time it takes."""
    return settings(
        max_examples=max(1, int(settings().max_examples * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, *suppress],
    )
