"""The gateway answers with several processes, goes on when one dies, and lets uploads end before it stops."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudinary.uploader
import pytest
from cloudinary.utils import sign_request

from clipwarden_local.ports import free_port
from fixtures.clips import Clips
from living import children_of
from overheard import RUN
from waiting import eventually

# The SDK has no types.
uploader: Any = cloudinary.uploader
signed: Any = sign_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A gateway in processes of its own."""

    process: "subprocess.Popen[bytes]"
    url: str
    metrics_port: int
    cloud: dict[str, Any]

    def workers(self) -> list[int]:
        """Return the pids of the processes that answer."""
        return [pid for pid in children_of(self.process.pid) if _answers(pid)]

    def total(self, sample: str) -> float:
        """Return the sum of a metric's samples."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))


def _answers(pid: int) -> bool:
    return b"--child" in Path(f"/proc/{pid}/cmdline").read_bytes()


@contextmanager
def running(folder: Path, processes: int) -> Iterator[Running]:
    port, metrics_port = free_port(), free_port()
    env = {
        **os.environ,
        "CLIPWARDEN_DATABASE__URL": f"sqlite:///{folder / 'clipwarden.db'}",
        "CLIPWARDEN_MEDIA__ROOT": str(folder / "media"),
        "CLIPWARDEN_REDIS__URL": f"redis://127.0.0.1:{free_port()}/0",
        "CLIPWARDEN_REKOGNITION__REGION": "us-east-1",
        "CLIPWARDEN_API__METRICS_PORT": str(metrics_port),
        "CLIPWARDEN_UPLOAD__LEAST_RATE": "0",
    }
    (folder / "media" / "clipwarden").mkdir(parents=True)
    cli = [sys.executable, "-m", "clipwarden.cli"]
    subprocess.run([*cli, "migrate"], env=env, check=True, capture_output=True)
    made = json.loads(
        subprocess.run([*cli, "account", "shop", "--json"], env=env, check=True, capture_output=True).stdout
    )
    RUN.note_login("api_secret", made["api_key"], made["api_secret"])
    process = subprocess.Popen([*cli, "api", "--port", str(port), "--processes", str(processes)], env=env)
    url = f"http://127.0.0.1:{port}"
    cloud = {"cloud_name": "shop", "api_key": made["api_key"], "api_secret": made["api_secret"], "upload_prefix": url}
    gateway = Running(process=process, url=url, metrics_port=metrics_port, cloud=cloud)
    try:
        eventually(lambda: len(gateway.workers()) == processes and alive(url), within=60)
        yield gateway
    finally:
        process.kill()
        process.wait()


def alive(url: str, page: str = "healthz") -> bool:
    try:
        with urllib.request.urlopen(f"{url}/{page}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:  # Refused, reset or too late.
        return False


def test_it_goes_on_when_a_process_dies(tmp_path: Path, clips: Clips) -> None:
    with running(tmp_path, 2) as gateway:
        before = gateway.workers()
        os.kill(before[0], signal.SIGKILL)
        for number in range(5):
            answer = uploader.upload(str(clips("plain")), resource_type="video", public_id=str(number), **gateway.cloud)
            assert answer["bytes"]
        eventually(lambda: len(gateway.workers()) == 2 and set(gateway.workers()) != set(before), within=20)
        uploads = (
            'clipwarden_http_requests_total{method="POST",route="/v1_1/{cloud}/{resource_type}/upload",status="200"}'
        )
        eventually(lambda: gateway.total(uploads) == 5)  # An answer is counted once it has gone out.
        assert gateway.total("clipwarden_uploaded_bytes_total") > 5 * clips("plain").stat().st_size
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(f"{gateway.url}/made/up/path", timeout=5)
        assert gateway.total('clipwarden_http_requests_total{method="GET",route="none",status="404"}') == 1


def test_the_supervisor_hears_every_process_beat(tmp_path: Path) -> None:
    with running(tmp_path, 2) as gateway:
        eventually(lambda: alive(f"http://127.0.0.1:{gateway.metrics_port}", "readyz"))
        one = gateway.total("clipwarden_gateway_beat_timestamp_seconds")
        eventually(lambda: gateway.total("clipwarden_gateway_beat_timestamp_seconds") > one > 0)


def test_an_upload_ends_before_the_gateway_does(tmp_path: Path, clips: Clips) -> None:
    with running(tmp_path, 1) as gateway:
        body, boundary = _body(gateway, clips("plain")), "b"
        connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)
        connection.putrequest("POST", "/v1_1/shop/video/upload")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[: len(body) // 2])
        eventually(lambda: gateway.total("clipwarden_uploaded_bytes_total") > 0, within=10)
        gateway.process.terminate()
        eventually(lambda: not alive(gateway.url), within=10)
        assert gateway.process.poll() is None
        connection.send(body[len(body) // 2 :])
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)["public_id"]) == (200, "late")
        connection.close()
        assert gateway.process.wait(20) == 0


def _body(gateway: Running, clip: Path) -> bytes:
    cloud = {name: gateway.cloud[name] for name in ("api_key", "api_secret")}
    fields = signed({"public_id": "late", "timestamp": int(time.time())}, cloud)
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return b"".join(parts) + head + clip.read_bytes() + b"\r\n--b--\r\n"


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with running(tmp_path, 1) as gateway:
        port = gateway.url.rpartition(":")[2]
        env = {**os.environ, "CLIPWARDEN_DATABASE__URL": f"sqlite:///{tmp_path / 'clipwarden.db'}"}
        cli = [sys.executable, "-m", "clipwarden.cli", "api", "--port", port]
        result = subprocess.run(cli, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 1
        assert "CLIPWARDEN_API__PORT" in result.stderr
