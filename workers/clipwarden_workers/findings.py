"""Findings: what the checks of the doctor found, each one well, doubtful or wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import botocore.exceptions
import redis

from clipwarden import errors


class Level(StrEnum):
    """How well it is with what was checked."""

    OK = "ok"  #: As it should be.
    WARNING = "warning"  #: It works, and something will be amiss one day.
    FAILURE = "failure"  #: It does not work.


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    detail: str

    @property
    def ok(self) -> bool:
        """Say whether clipwarden can work with it."""
        return self.level is not Level.FAILURE


class Doubtful(Exception):
    """Raised by a check to end with a warning; says what is amiss and what to do."""


def find(check: str, ask: Callable[[], str]) -> Finding:
    """Return what a check answers, or why it could not."""
    try:
        return Finding(check=check, level=Level.OK, detail=ask())
    except Doubtful as exc:
        return Finding(check=check, level=Level.WARNING, detail=str(exc))
    except (errors.ClipwardenError, redis.RedisError, botocore.exceptions.BotoCoreError, OSError) as exc:
        return Finding(check=check, level=Level.FAILURE, detail=str(exc))
    except botocore.exceptions.ClientError as exc:
        return Finding(check=check, level=Level.FAILURE, detail=f"{exc.operation_name}: {exc}")
