"""Each way in which stock Dramatiq loses or strands messages, closed; ``docs/decisions/0002-…`` lists them.

Every test whose docstring says "Stock:" was run against Dramatiq 2.2.1's own RedisBroker as well, at its best (a
heartbeat of one second, maintenance at every command), and failed in the way the docstring tells.
"""

import contextlib
import functools
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import dramatiq.worker
import pytest
import redis
from dramatiq import Worker
from dramatiq.common import current_millis

import bus_worker
from bus import HEARTBEAT_TIMEOUT, KEY, QUEUE, REPLY_TIMEOUT, Bus, fetched, hardened, left, message, running_now
from clipwarden import errors, tether
from clipwarden.broker import build_broker
from clipwarden.broker.hardened import NAMESPACE, HardenedBroker
from clipwarden.broker.retries import SafeRetries
from clipwarden_local.ports import free_port
from cutting_proxy import CuttingProxy
from fixtures.redis import RestartableRedis, started
from waiting import eventually


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses that Dramatiq makes after an error: 3 and 5 seconds."""
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    monkeypatch.setattr(dramatiq.worker, "POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0.1)


@pytest.fixture
def client(restartable_redis: RestartableRedis) -> Iterator["redis.Redis"]:
    with restartable_redis.client() as client:
        yield client


# --- Redis goes away -----------------------------------------------------------------------------------------------


def test_delayed_messages_run_after_redis_was_away(restartable_redis: RestartableRedis, client: "redis.Redis") -> None:
    """Stock: none of the three ran; their ids stayed among the fetched ones of a live worker."""
    with Bus(restartable_redis.url).working() as bus:
        for number in range(3):
            bus.send(number, delay=1500)
        eventually(lambda: client.llen(f"{KEY}.DQ") == 0)
        held = bus.worker.consumers[f"{QUEUE}.DQ"].delay_queue
        with restartable_redis.away():
            eventually(lambda: bus.worker.consumers[f"{QUEUE}.DQ"].delay_queue is not held)
        running_now(bus, 0, 1, 2)
        eventually(lambda: left(client) == 0)


def test_the_delay_consumer_survives_redis_going_away_while_it_promotes(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """Stock: the thread of the delay queue ended for good; most messages, and every later delayed one, never ran."""

    def dies_while_promoting(request: bytes, _: bytes) -> bool:
        if dies := b"\r\nenqueue\r\n" in request:
            restartable_redis.kill()
        return dies

    with CuttingProxy(restartable_redis.port) as proxy, Bus(proxy.url).working() as bus:
        for number in range(100):
            bus.send(number, delay=2500)
        eventually(lambda: client.llen(f"{KEY}.DQ") == 0)
        proxy.lose_one_reply(dies_while_promoting)
        eventually(proxy.lost.is_set)
        restartable_redis.start()
        running_now(bus, *range(100))
        bus.send("later", delay=100)
        running_now(bus, "later")
        assert all(consumer.is_alive() for consumer in bus.worker.consumers.values())
        eventually(lambda: left(client) == 0)


def freeze(server: RestartableRedis) -> Callable[[], None]:
    stack = contextlib.ExitStack()
    stack.enter_context(server.frozen())
    return stack.close


def kill(server: RestartableRedis) -> Callable[[], None]:
    with server.client() as client:
        client.incr("kills")
        client.waitaof(1, 0, 10_000)  # Else it may come back without the last second.
    server.kill()
    return server.start


def fill(server: RestartableRedis) -> Callable[[], None]:
    client = server.client()
    client.config_set("maxmemory", "1")
    return functools.partial(_close_after, client, client.config_set, "maxmemory", "0")


def demote(server: RestartableRedis) -> Callable[[], None]:
    """Have the server refuse writes as a former master does after a failover; it keeps its data, having no master."""
    client = server.client()
    client.config_set("replica-read-only", "yes")
    client.replicaof("127.0.0.1", "1")
    return functools.partial(_close_after, client, client.replicaof, "NO", "ONE")


def _close_after(client: "redis.Redis", call: Callable[..., Any], *args: str) -> None:
    with client:
        call(*args)


Fault = Callable[[RestartableRedis], Callable[[], None]]
faults = pytest.mark.parametrize("fault", [kill, freeze, fill, demote])


@faults
def test_a_message_that_fails_while_redis_is_faulty_is_retried(
    restartable_redis: RestartableRedis, client: "redis.Redis", fault: Fault
) -> None:
    """Stock: with none of the four did it run a second time."""
    repair: list[Callable[[], None]] = []

    def work(_: Any) -> None:
        if not repair:
            repair.append(fault(restartable_redis))
            raise dramatiq.errors.Retry

    with Bus(restartable_redis.url, work).working() as bus:
        bus.send("flaky")
        eventually(lambda: repair)
        time.sleep(REPLY_TIMEOUT * 1.5)  # So that the retry meets the fault, whichever it is.
        assert bus.ran["flaky"] == 1
        repair[0]()
        eventually(lambda: bus.ran["flaky"] == 2)
        eventually(lambda: left(client) == 0)


@faults
def test_a_message_that_ends_while_redis_is_faulty_is_acknowledged_later(
    restartable_redis: RestartableRedis, client: "redis.Redis", fault: Fault
) -> None:
    """Stock: with the full and the demoted Redis the message was never acknowledged, and would run again."""
    repair: list[Callable[[], None]] = []

    def work(_: Any) -> None:
        repair.append(fault(restartable_redis))

    # Nobody takes the message for a dead worker's meanwhile, however slowly all of this goes.
    with Bus(restartable_redis.url, work, heartbeat_timeout=60).working() as bus:
        bus.send("once")
        eventually(lambda: repair)
        time.sleep(REPLY_TIMEOUT * 1.5)  # So that the acknowledgement meets the fault, whichever it is.
        repair[0]()
        eventually(lambda: left(client) == 0)
        eventually(lambda: not fetched(client, bus))
        assert bus.ran["once"] == 1


@faults
def test_a_producer_is_told_when_redis_is_faulty(restartable_redis: RestartableRedis, fault: Fault) -> None:
    broker = hardened(restartable_redis.url)
    broker.enqueue(message("first"))
    repair = fault(restartable_redis)
    with pytest.raises(errors.BusUnavailable):
        broker.enqueue(message("second"))
    repair()
    broker.enqueue(message("third"))
    broker.close()


def test_the_living_are_not_robbed_when_redis_was_away_longer_than_a_heartbeat(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    done = threading.Event()
    with Bus(restartable_redis.url, lambda _: done.wait(20)).working() as busy:
        busy.send("long")
        running_now(busy, "long")
        with Bus(restartable_redis.url).working() as other:
            eventually(lambda: other.broker._keeper.settled)
            with restartable_redis.away():
                time.sleep(HEARTBEAT_TIMEOUT * 1.5)  # Not a hope: this is how long Redis is away.
            eventually(lambda: not other.broker._keeper.settled)
            eventually(lambda: other.broker._keeper.settled)
            assert not other.ran
        done.set()
        eventually(lambda: left(client) == 0)


# --- A reply is lost -----------------------------------------------------------------------------------------------


def test_messages_whose_fetch_lost_its_reply_are_found_and_run(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """Stock: both stayed among the fetched ones of the live worker and never ran."""
    with CuttingProxy(restartable_redis.port) as proxy, Bus(proxy.url).working() as bus:
        bus.send("before")
        running_now(bus, "before")
        proxy.lose_one_reply(lambda request, reply: b"\r\nfetch\r\n" in request and QUEUE.encode() in reply)
        direct = hardened(restartable_redis.url)
        direct.enqueue(message("one"))
        direct.enqueue(message("two"))
        direct.close()
        running_now(bus, "one", "two")
        assert proxy.lost.is_set()
        eventually(lambda: left(client) == 0)


def test_messages_fetched_for_a_client_that_had_given_up_are_found_by_the_keeper(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """A stalled Redis executes what its clients sent before they gave up, so a look right afterwards is too early."""
    with Bus(restartable_redis.url).working() as bus:
        bus.send("before")
        running_now(bus, "before")
        late = hardened(restartable_redis.url)
        late.enqueue(message("astray"))
        # The same process to Redis, but not to itself.
        late.broker_id = bus.broker.broker_id
        eventually(lambda: late.do_fetch(QUEUE, 1) or bus.ran["astray"])
        running_now(bus, "astray")
        late.close()
        eventually(lambda: left(client) == 0)


def test_a_producer_whose_reply_was_lost_is_told_and_the_message_is_there_once(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """Stock: raises redis-py's own error; built with ``host=`` it puts the same id into the queue twice."""
    with CuttingProxy(restartable_redis.port) as proxy:
        broker = hardened(proxy.url)
        broker.enqueue(message("before"))
        proxy.lose_one_reply(lambda request, _: b"\r\nenqueue\r\n" in request)
        with pytest.raises(errors.BusUnavailable):
            broker.enqueue(message("unconfirmed"))
        broker.close()
    assert client.llen(KEY) == client.hlen(f"{KEY}.msgs") == 2


def test_an_acknowledgement_whose_reply_was_lost_is_repeated_without_a_second_run(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    with CuttingProxy(restartable_redis.port) as proxy, Bus(proxy.url).working() as bus:
        bus.send("before")
        running_now(bus, "before")
        proxy.lose_one_reply(lambda request, _: b"\r\nack\r\n" in request)
        bus.send("once")
        eventually(proxy.lost.is_set)
        bus.send("after")
        running_now(bus, "after")
        eventually(lambda: left(client) == 0)
        assert bus.ran["once"] == 1


# --- A message is broken -------------------------------------------------------------------------------------------


def envelope(id_: str, **changes: Any) -> bytes:
    whole = message("poison").copy(options={"redis_message_id": id_}).asdict() | changes
    return dramatiq.get_encoder().encode(whole)


POISONS: dict[str, Callable[[str], bytes]] = {
    "not JSON": lambda _: b"\xff{",
    "not an envelope": lambda _: b"[1, 2]",
    "nested without end": lambda _: b"[" * 100_000,
    "of another queue": lambda id_: envelope(id_, queue_name="elsewhere"),
    "without options": lambda id_: envelope(id_, options=None),
    "without its id": lambda id_: envelope(id_, options={}),
    "with another id": lambda id_: envelope(id_, options={"redis_message_id": "another"}),
    "with a list for its name": lambda id_: envelope(id_, actor_name=["act"]),
    "with a number for its message id": lambda id_: envelope(id_, message_id=7),
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_message_that_cannot_be_read_becomes_a_dead_letter_and_harms_no_other(
    restartable_redis: RestartableRedis, client: "redis.Redis", poison: Callable[[str], bytes]
) -> None:
    """Stock: depending on the poison, its batch was stuck with it, or worker threads ended; never a dead letter."""
    bus, id_ = Bus(restartable_redis.url), str(uuid.uuid4())
    bus.send("before")
    client.hset(f"{KEY}.msgs", id_, poison(id_))
    client.rpush(KEY, id_)
    bus.send("after")
    with bus.working():
        running_now(bus, "before", "after")
        eventually(lambda: client.zrange(f"{KEY}.XQ", 0, -1) == [id_])
        bus.send("later")
        running_now(bus, "later")
        eventually(lambda: left(client) == 0)
        assert all(thread.is_alive() for thread in (*bus.worker.workers, *bus.worker.consumers.values()))


def test_an_id_without_a_message_is_dropped(restartable_redis: RestartableRedis, client: "redis.Redis") -> None:
    with Bus(restartable_redis.url).working() as bus:
        client.rpush(KEY, "an id of nothing")
        bus.send("after")
        running_now(bus, "after")
        eventually(lambda: client.llen(KEY) == 0)
        eventually(lambda: not fetched(client, bus))


def test_a_message_whose_retries_are_exhausted_is_kept_as_a_dead_letter(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    def work(_: Any) -> None:
        raise dramatiq.errors.Retry(delay=1)

    with Bus(restartable_redis.url, work).working() as bus:
        bus.send("hopeless")
        eventually(lambda: client.zcard(f"{KEY}.XQ") == 1)
        assert bus.ran["hopeless"] == 4
        eventually(lambda: left(client) == 0)


# --- A process goes away -------------------------------------------------------------------------------------------


def test_a_killed_processs_messages_come_back_after_the_heartbeat(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """By default stock waits for a minute, and then for one command in a thousand; at its best it passes this."""
    dead = hardened(restartable_redis.url)
    for number in range(5):
        dead.enqueue(message(number))
        dead.enqueue(message(f"delayed {number}"), delay=100)
    assert len(dead.do_fetch(QUEUE, 5)) == 5
    assert len(dead.do_fetch(f"{QUEUE}.DQ", 5)) == 5
    with Bus(restartable_redis.url).working() as bus:
        running_now(bus, *range(5), *(f"delayed {number}" for number in range(5)))
        eventually(lambda: left(client) == 0)
        eventually(lambda: client.zrange(f"{NAMESPACE}:__heartbeats__", 0, -1) == [bus.broker.broker_id])
    dead.close()


def test_a_process_that_is_stopped_gives_back_what_it_has_fetched(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    release = threading.Event()
    bus = Bus(restartable_redis.url, lambda _: release.wait(20), threads=1)
    bus.worker.queue_prefetch = 100
    for number in range(100):
        bus.send(number)
    bus.send("delayed", delay=3_600_000)
    with bus.working():
        running_now(bus, 0)
        eventually(lambda: client.llen(f"{KEY}.DQ") == 0)
        threading.Timer(0.1, release.set).start()
    assert not fetched(client, bus)
    assert client.llen(KEY) == client.hlen(f"{KEY}.msgs") == 100 - len(bus.ran)
    assert client.llen(f"{KEY}.DQ") == 1


def test_a_process_whose_clock_is_ahead_leaves_the_living_alone(
    restartable_redis: RestartableRedis, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stock: the other worker took the running message over at once, and it ran twice at the same time."""
    done = threading.Event()
    with Bus(restartable_redis.url, lambda _: done.wait(20)).working() as busy:
        busy.send("long")
        running_now(busy, "long")
        ahead = threading.local()
        clock = "dramatiq.brokers.redis.current_millis"
        monkeypatch.setattr(clock, lambda: current_millis() + (3_600_000 if getattr(ahead, "yes", False) else 0))
        ahead.yes = True
        skewed = hardened(restartable_redis.url)
        monkeypatch.setattr(skewed, "_should_do_maintenance", lambda _: 1)
        assert skewed.do_fetch(QUEUE, 1) == []
        skewed.do_qsize(QUEUE)
        assert client.llen(KEY) == 0
        assert len(fetched(client, busy)) == 1
        skewed.close()
        done.set()
        eventually(lambda: left(client) == 0)


def test_a_process_at_its_prefetch_limit_stays_alive_to_the_others(
    restartable_redis: RestartableRedis, client: "redis.Redis"
) -> None:
    """Stock: its consumers had nothing to fetch, so it sent no heartbeat, and the long task was started again."""
    done = threading.Event()
    busy = Bus(restartable_redis.url, lambda _: done.wait(20), threads=1)
    busy.worker.queue_prefetch = busy.worker.delay_prefetch = 1
    busy.send("delayed", delay=3_600_000)
    with busy.working():
        eventually(lambda: client.llen(f"{KEY}.DQ") == 0)
        busy.send("long")
        running_now(busy, "long")
        with Bus(restartable_redis.url).working() as other:
            eventually(lambda: other.broker._keeper.settled)
            time.sleep(HEARTBEAT_TIMEOUT * 1.5)  # Not a hope: a silent process would be robbed in this time.
            assert not other.ran
        done.set()


# --- All of it -----------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator["redis.RedisCluster"]:
    """Run a Redis Cluster of one node that has all the slots."""
    server = started(tmp_path / "cluster", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        eventually(lambda: "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO")))
    with redis.RedisCluster(host="127.0.0.1", port=server.port) as node:
        yield node
    server.kill()


def test_the_default_namespace_works_on_a_redis_cluster(cluster: "redis.RedisCluster") -> None:
    broker = HardenedBroker(cluster, heartbeat_timeout=0.1, beat_interval=0.05, middleware=[SafeRetries()])
    ran: list[int] = []
    dramatiq.Actor(ran.append, broker=broker, actor_name="act", queue_name=QUEUE, priority=0, options={})
    worker = Worker(broker, worker_threads=1)
    worker.start()
    broker.enqueue(message(1))
    broker.enqueue(message(2), delay=50)
    eventually(lambda: sorted(ran) == [1, 2])
    eventually(lambda: broker._keeper.settled)
    worker.stop()
    broker.close()


def test_an_idle_consumer_looks_at_its_queue_as_often_as_the_broker_was_told(redis_url: str) -> None:
    broker = build_broker(redis_url, hop_timeout_ms=7)
    assert broker.consume(QUEUE, timeout=1_000).timeout == 7  # type: ignore[attr-defined] # Dramatiq's own consumer
    broker.close()


JOBS, KILLS = 300, 4


def test_killing_redis_and_workers_over_and_over_loses_nothing(
    restartable_redis: RestartableRedis, client: "redis.Redis", tmp_path: Path
) -> None:
    """Stock: 33 of the 300 jobs did not come to their end."""
    path = tmp_path / "done"
    path.touch()
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_worker_process(restartable_redis.url, path)) for _ in range(2)]
        producer = bus_worker.build(restartable_redis.url)
        stack.callback(producer.close)
        for number in range(JOBS):
            producer.enqueue(bus_worker.message(number))
        for kill_number in range(1, KILLS + 1):
            some = kill_number * JOBS * bus_worker.STAGES // (KILLS + 2)
            eventually(functools.partial(lambda some: len(_lines(path)) >= some, some))
            with restartable_redis.away():
                workers[kill_number % 2].kill()
                workers[kill_number % 2] = stack.enter_context(_worker_process(restartable_redis.url, path))
        expected = {f"{number} {stage}" for number in range(JOBS) for stage in range(bus_worker.STAGES)}
        eventually(lambda: set(_lines(path)) == expected, within=40)
        keys = [f"{NAMESPACE}:{name}.msgs" for name in ("chaos", "chaos.DQ")]
        eventually(lambda: not client.exists(*keys))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


@contextlib.contextmanager
def _worker_process(url: str, path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    argv = [sys.executable, bus_worker.__file__, url, str(path)]
    with subprocess.Popen(tether.command(argv), stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()
