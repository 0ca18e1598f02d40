"""The jobs: whether each was paid for one attempt that was made, by the book of Rekognition's stand-in itself."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing

from chaos.world import World
from clipwarden import ids


def paid(world: World) -> list[str]:
    """Return the request tokens of all jobs, one for each."""
    [book] = (world.plan.folder / "endpoint").glob("*.db")
    with closing(sqlite3.connect(book)) as connection:
        requests = connection.execute("SELECT request FROM jobs").fetchall()
    return [json.loads(request).get("ClientRequestToken", "") for (request,) in requests]


def broken(tokens: list[str], attempts: Mapping[str, int]) -> list[str]:
    """Return what is wrong with jobs of these tokens, where moderations have made so many attempts."""
    made = {
        ids.request_token(id, number + 1): (id, number + 1) for id, count in attempts.items() for number in range(count)
    }
    jobs = Counter(made[token] for token in tokens if token in made)
    return [
        *(f"a job was started for {token or 'no token'}, which is no attempt" for token in tokens if token not in made),
        *(f"attempt {number} of {id} started {count} jobs" for (id, number), count in jobs.items() if count > 1),
    ]
