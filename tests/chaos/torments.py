"""What is done to the world: each torment begins at once, and those that last return what ends them."""

import contextlib
import errno
import os
import random
import shutil
import signal
from collections.abc import Callable
from typing import Any

import scripting
from chaos.world import LEASE, World
from clipwarden_local.receiver import Answer

#: Ends a torment.
End = Callable[[], None]
Torment = Callable[[World, random.Random], End | None]

_START, _GET = "StartContentModeration", "GetContentModeration"


def kill_worker(world: World, chance: random.Random) -> None:
    """Kill one worker process."""
    _kill(world.workers(), chance)


def kill_all_workers(world: World, chance: random.Random) -> None:
    """Kill all workers, and what keeps them running: nobody is left to start them, or to end in peace."""
    del chance
    _signal([*world.processes("workers", "skewed"), *world.workers()], signal.SIGKILL)


def kill_gateway(world: World, chance: random.Random) -> None:
    """Kill the process that answers, in the midst of requests."""
    _kill(world.gateways(), chance)


def kill_gateway_supervisor(world: World, chance: random.Random) -> None:
    """Kill what keeps the gateway running, and the gateway with it."""
    _kill(world.processes("gateway"), chance)


def pause_worker(world: World, chance: random.Random) -> End:
    """Let a worker sleep through its leases, and wake up believing that it has them."""
    return _pause(world.workers(), chance)


def pause_gateway(world: World, chance: random.Random) -> End:
    """Let the process that answers sleep, with requests and transactions open."""
    return _pause(world.gateways(), chance)


def pause_redis(world: World, chance: random.Random) -> End:
    """Let Redis sleep, so that it neither answers nor refuses."""
    return _pause(world.processes("redis"), chance)


def restart_redis(world: World, chance: random.Random) -> None:
    """Kill Redis; what it had written to disk it has again."""
    world.redis_deaths += 1
    _kill(world.processes("redis"), chance)


def empty_redis(world: World, chance: random.Random) -> None:
    """Kill Redis, and delete all that it knows."""
    child = next(child for child in world.stack.supervisor.children if child.name == "redis")
    if child.process is None:
        return
    world.redis_deaths += 1
    _kill([child.process.pid], chance)
    child.process.wait()
    shutil.rmtree(world.plan.folder / "redis")
    (world.plan.folder / "redis").mkdir()


def restart_database(world: World, chance: random.Random) -> None:
    """Kill PostgreSQL in the midst of transactions, and start it again."""
    del chance
    if world.server is not None:
        world.server.restart()


def cut(world: World, chance: random.Random) -> None:
    """Break all connections to one server: whatever was asked may have been done or not."""
    _proxy(world, chance).cut()


def refuse(world: World, chance: random.Random) -> End:
    """Let a server be out of reach."""
    proxy = _proxy(world, chance)
    proxy.refuses = True
    proxy.cut()

    def end() -> None:
        proxy.refuses = False

    return end


def slow(world: World, chance: random.Random) -> End:
    """Let all that goes to a server, and comes from it, be late."""
    proxy = _proxy(world, chance)
    proxy.delay = chance.uniform(0.02, 0.3)

    def end() -> None:
        proxy.delay = 0.0

    return end


def fill_disk(world: World, chance: random.Random) -> End | None:
    """Leave next to no room in the media store."""
    if not world.mounted:
        return None
    ballast = world.media / "ballast"
    left = chance.randrange(0, 64 * 1024)
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        try:
            while file.write(bytes(1 << 20)):
                file.flush()
        except OSError as exc:
            if exc.errno != errno.ENOSPC:
                raise
        file.truncate(max(0, file.tell() - left))
    return lambda: ballast.unlink(missing_ok=True)


def throttle(world: World, chance: random.Random) -> End:
    """Let Rekognition refuse calls because there are too many."""
    operation = chance.choice([_START, _GET])
    return _order(world, operation=operation, error="ProvisionedThroughputExceededException", times=20)


def crowd(world: World, chance: random.Random) -> End:
    """Let Rekognition say that others have taken all its slots."""
    del chance
    return _order(world, operation=_START, error="LimitExceededException", times=5)


def fail_calls(world: World, chance: random.Random) -> End:
    """Let Rekognition fail, some of the times having done what was asked."""
    operation, when = chance.choice([_START, _GET]), chance.choice(["before", "after"])
    return _order(world, operation=operation, error="InternalServerError", when=when, times=8)


def lose_answers(world: World, chance: random.Random) -> End:
    """Let the connection end after Rekognition has done what was asked, or before."""
    operation, when = chance.choice([_START, _GET]), chance.choice(["before", "after"])
    return _order(world, operation=operation, when=when, times=8)


def fail_receiver(world: World, chance: random.Random) -> None:
    """Let whoever is told of verdicts fail for a while."""
    answer = chance.choice([Answer(status=500), Answer(status=503, headers={"Retry-After": "1"})])
    world.receiver.answer_next(answer, times=chance.randrange(2, 20))


def hang_receiver(world: World, chance: random.Random) -> None:
    """Let whoever is told of verdicts take what comes, and say nothing."""
    world.receiver.answer_next(Answer(hangs=True), times=chance.randrange(1, 5))


def lose_receiver(world: World, chance: random.Random) -> None:
    """Let whoever is told of verdicts take what comes, and the connection end before the answer."""
    world.receiver.answer_next(Answer(breaks_off=True), times=chance.randrange(2, 10))


#: By name, each with how often it comes.
TORMENTS: dict[str, tuple[Torment, int]] = {
    torment.__name__.replace("_", "-"): (torment, often)
    for torment, often in (
        (kill_worker, 6),
        (kill_all_workers, 2),
        (kill_gateway, 3),
        (kill_gateway_supervisor, 1),
        (pause_worker, 4),
        (pause_gateway, 2),
        (pause_redis, 1),
        (restart_redis, 1),
        (empty_redis, 2),
        (restart_database, 2),
        (cut, 5),
        (refuse, 3),
        (slow, 3),
        (fill_disk, 2),
        (throttle, 2),
        (crowd, 1),
        (fail_calls, 2),
        (lose_answers, 3),
        (fail_receiver, 2),
        (hang_receiver, 1),
        (lose_receiver, 2),
    )
}

#: Seconds that a torment lasts at least and at most, if it lasts: a pause is longer than a lease, or shorter.
LASTS = (0.5, 2.5 * LEASE)


def _kill(pids: list[int], chance: random.Random) -> None:
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)


def _pause(pids: list[int], chance: random.Random) -> End:
    chosen = [chance.choice(pids)] if pids else []
    _signal(chosen, signal.SIGSTOP)
    return lambda: _signal(chosen, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _proxy(world: World, chance: random.Random) -> Any:
    names = sorted(name for name, proxy in world.proxies.items() if proxy.upstream)
    return world.proxies[chance.choice(names)]


def _order(world: World, **fault: Any) -> End:
    url = world.stack.endpoint_url
    scripting.order(url, faults=[fault])
    return lambda: scripting.order(url, faults=[])
