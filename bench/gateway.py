"""Uploads through the gateway: what they cost in processor time and memory, beside a server that drops what it gets.

``python -m bench.gateway`` starts both, each in a process of its own, and sends the same requests to either. Files are
``raw``, so that none is probed; the gateway stores them in a folder and commits each to SQLite.
"""

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudinary.utils import sign_request

from bench import processes, report
from clipwarden_local import private_redis
from clipwarden_local.ports import free_port

_BOUNDARY = "bench"
_BLOCK = bytes(range(256)) * 4096
_SMALL = b"GIF89a" + bytes(20_000)
_TICKS = os.sysconf("SC_CLK_TCK")
# The SDK has no types.
_sign: Any = sign_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that takes uploads, and the process that does it."""

    port: int
    pid: int
    secrets: dict[str, str]

    def processor(self) -> float:
        """Return the seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, name: str) -> float:
        """Return a figure of its memory, ``VmRSS`` now or ``VmHWM`` at most, in MiB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024

    def forget_peak(self) -> None:
        """Let the peak begin anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def main() -> None:
    """Measure, print and publish."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of a large file; default %(default)s")
    parser.add_argument("--at-once", type=int, default=8, help="large files at once; default %(default)s")
    parser.add_argument("--small", type=int, default=400, help="small files; default %(default)s")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="clipwarden-bench-") as folder:
        _require_space(folder, arguments.mib * arguments.at_once)
        found = measure(Path(folder), arguments.mib, arguments.at_once, arguments.small)
    print(report.pairs_table(found))
    report.keep("gateway", {"on": report.machine(), **vars(arguments), **found})
    load = {"load of the last minute": round(os.getloadavg()[0], 1)}
    report.publish({"gateway": report.pairs_table({**found, **load})})


def measure(folder: Path, mib: int, at_once: int, small: int) -> dict[str, Any]:
    """Return the figures of both servers."""
    found: dict[str, Any] = {}
    with running(folder) as gateway, _plain() as plain:
        for count in (1, at_once):
            for name, server in (("gateway", gateway), ("plain", plain)):
                found |= send_large(f"{count} x {mib} MiB, {name}", server, mib, count)
                shutil.rmtree(folder / "media" / "clipwarden" / "videos", ignore_errors=True)
            ratio = found[f"{count} x {mib} MiB, gateway: cpu s"] / found[f"{count} x {mib} MiB, plain: cpu s"]
            found[f"{count} x {mib} MiB: cpu, gateway to plain"] = round(ratio, 2)
        for name, server in (("gateway", gateway), ("plain", plain)):
            found[f"small uploads per s, {name}"] = round(send_small(server, small), 1)
    return found


def send_large(name: str, server: Server, mib: int, count: int) -> dict[str, Any]:
    """Send large files at once, and return what that took."""
    server.forget_peak()
    processor, memory, began = server.processor(), server.memory("VmRSS"), time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        for sent in [pool.submit(_send_one, server, mib) for _ in range(count)]:
            sent.result()
    return {
        f"{name}: s": round(time.monotonic() - began, 1),
        f"{name}: cpu s": round(server.processor() - processor, 2),
        f"{name}: memory growth, MiB": round(server.memory("VmHWM") - memory, 1),
    }


def _send_one(server: Server, mib: int) -> None:
    head, tail = _form(server, "large.bin")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
        length = len(head) + mib * len(_BLOCK) + len(tail)
        _begin(connection, "raw", length)
        connection.send(head)
        for _ in range(mib):
            connection.send(_BLOCK)
        connection.send(tail)
        _end(connection)


def send_small(server: Server, count: int) -> float:
    """Return uploads per second over four connections that are kept."""
    began = time.monotonic()
    workers = [threading.Thread(target=_send_some, args=(server, count // 4)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return count // 4 * 4 / (time.monotonic() - began)


def _send_some(server: Server, count: int) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        for _ in range(count):
            head, tail = _form(server, "small.gif")
            _begin(connection, "image", len(head) + len(_SMALL) + len(tail))
            connection.send(head + _SMALL + tail)
            _end(connection)


def _begin(connection: http.client.HTTPConnection, resource_type: str, length: int) -> None:
    connection.putrequest("POST", f"/v1_1/bench/{resource_type}/upload")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
    connection.putheader("Content-Length", str(length))
    connection.endheaders()


def _end(connection: http.client.HTTPConnection) -> None:
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"the upload was answered {answer.status}: {said[:300]!r}")


def _form(server: Server, filename: str) -> tuple[bytes, bytes]:
    """Return what comes before a file's bytes, and what behind."""
    fields = _sign({"timestamp": int(time.time())}, dict(server.secrets))
    disposition = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    told = "".join(f'{disposition}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    return f'{told}{disposition}"file"; filename="{filename}"\r\n\r\n'.encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Give a gateway, with what it needs in a folder, for the time of the block."""
    with _redis(folder / "redis") as redis_url, _gateway(folder, redis_url) as server:
        yield server


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """Give the URL of a Redis for the time of the block."""
    port = free_port()
    folder.mkdir()
    command = private_redis.server_command(private_redis.find_server(), data=folder, port=port)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            private_redis.wait_until_ready(url := f"redis://127.0.0.1:{port}/0", deadline=20)
            yield url
        finally:
            process.terminate()


@contextmanager
def _gateway(folder: Path, redis_url: str) -> Iterator[Server]:
    port = free_port()
    (folder / "media" / "clipwarden").mkdir(parents=True)
    env = {
        **os.environ,
        "CLIPWARDEN_DATABASE__URL": f"sqlite:///{folder / 'clipwarden.db'}",
        "CLIPWARDEN_MEDIA__ROOT": str(folder / "media"),
        "CLIPWARDEN_REDIS__URL": redis_url,
        "CLIPWARDEN_REKOGNITION__REGION": "us-east-1",
        "CLIPWARDEN_API__METRICS_PORT": "0",
        "CLIPWARDEN_LOG__LEVEL": "error",
    }
    cli = [sys.executable, "-m", "clipwarden.cli"]
    subprocess.run([*cli, "migrate"], env=env, check=True, capture_output=True)
    made = json.loads(
        subprocess.run([*cli, "account", "bench", "--json"], env=env, check=True, capture_output=True).stdout
    )
    secrets = {name: made[name] for name in ("api_key", "api_secret")}
    with _started([*cli, "api", "--port", str(port)], env, port):
        [answering] = processes.below("api", "--child")
        yield Server(port=port, pid=answering, secrets=secrets)


@contextmanager
def _plain() -> Iterator[Server]:
    port = free_port()
    command = ["-m", "uvicorn", "bench.plain:app", "--http", "httptools", "--port", str(port), "--log-level", "error"]
    with _started([sys.executable, *command], dict(os.environ), port) as process:
        yield Server(port=port, pid=process.pid, secrets={"api_key": "key", "api_secret": "secret"})


@contextmanager
def _started(command: Sequence[str], env: dict[str, str], port: int) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, env=env) as process:
        try:
            _until(lambda: _answers(port))
            yield process
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/healthz")
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except OSError:
        return False


def _until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the server does not answer")
        time.sleep(0.1)


def _require_space(folder: str, mib: int) -> None:
    if (free := shutil.disk_usage(folder).free // 1024**2) < mib + 1024:
        raise SystemExit(f"{folder} has {free} MiB left: {mib + 1024} are needed, or a smaller --mib")


if __name__ == "__main__":
    main()
