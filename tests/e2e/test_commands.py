"""The commands, run as a person runs them."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import cloudinary.api
import cloudinary.uploader
import pytest

from clipwarden import Client, errors
from clipwarden_local.ports import free_port
from fixtures.clips import Clips
from fixtures.postgres import Server
from fixtures.redis import RestartableRedis
from living import family_of, runs
from overheard import RUN
from waiting import eventually

SAMPLES = Path(str(files("clipwarden_local"))) / "samples"
REDIS_PASSWORD = "p@ss/word of Redis"
CLIPWARDEN = [sys.executable, "-m", "clipwarden.cli"]


def _run(*words: str, env: dict[str, str] | None = None, within: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLIPWARDEN, *words],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def _json(*words: str, env: dict[str, str] | None = None) -> Any:
    result = _run(*words, "--json", env=env)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    if isinstance(told, dict) and "api_secret" in told:
        RUN.note_login("api_secret", told["api_key"], told["api_secret"])
    return told


@contextmanager
def _up(data: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run ``clipwarden up`` and yield it with what it says of itself; ctrl-C ends it."""
    ports = ("--port", str(free_port()), "--metrics-port", str(free_port()))
    process = subprocess.Popen(
        [*CLIPWARDEN, "up", "--json", "--data", str(data), *ports, *words],
        # Without this, what is printed to a pipe must be flushed to be seen, as it is on most machines.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        text = ""
        while not text.rstrip().endswith("\n}"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        facts = json.loads(text)
        RUN.note_login("api_secret", facts["api_key"], facts["api_secret"])
        RUN.note("link to choose a password", facts["console"].rpartition("/welcome/")[2])
        for name, value in facts["environment"].items():
            RUN.note(name, value if "SECRET" in name else None)
        yield process, facts
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        RUN.hear(process.stderr.read())
        process.stdout.close()
        process.stderr.close()


def test_up_brings_in_samples_once_and_a_link_to_the_console(tmp_path: Path) -> None:
    listed = []
    for _ in range(2):
        with _up(tmp_path / "data", "--analyser", "scripted") as (_, facts):
            listed.append(len(_json("list", env=facts["environment"])["moderations"]))
            link = facts["console"]
    assert listed == [4, 4]
    assert "/console/welcome/" in link


def test_up_moderates_what_is_enqueued_and_ctrl_c_leaves_no_process_behind(tmp_path: Path, clips: Clips) -> None:
    with _up(tmp_path / "data", "--no-samples", "--analyser", "scripted", "--account", "shop") as (process, facts):
        env = facts["environment"]
        place = tmp_path / "data" / "media" / "clipwarden" / "in.mp4"
        place.write_bytes(clips("plain").read_bytes())
        made = _json("enqueue", "s3://clipwarden/in.mp4", "--account", "shop", env=env)

        def status() -> Any:
            result = _run("status", made["id"], "--json", env=env)
            shown = json.loads(result.stdout) if result.returncode == 0 else {}
            return shown if shown.get("stage") == "decided" else None

        shown = eventually(status, within=60)
        assert (shown["status"], shown["decided_by"]) == ("approved", "policy")
        listed = _json("list", "--status", "approved", env=env)
        assert [row["id"] for row in listed["moderations"]] == [made["id"]]
        _check_rejudging(made["id"], env)
        overridden = _json("override", made["id"], "rejected", "--by", "ada", env=env)
        assert (overridden["status"], overridden["decided_by"]) == ("rejected", "human:ada")
        eventually(lambda: not place.exists(), within=20)
        findings = _json("doctor", env=env)
        assert all(found["ok"] for found in findings), findings
        family = family_of(process.pid)
        assert len(family) >= 5
    assert process.returncode == 0
    eventually(lambda: not any(map(runs, family)), within=20)


def test_up_takes_what_programs_written_for_cloudinary_upload(tmp_path: Path, clips: Clips) -> None:
    with _up(tmp_path / "data", "--no-samples", "--analyser", "scripted", "--account", "shop") as (_, facts):
        upload: Any = cloudinary.uploader.upload
        ask: Any = cloudinary.api.resource
        cloud = {"cloud_name": "shop", "api_key": facts["api_key"], "api_secret": facts["api_secret"]}
        cloud["upload_prefix"] = facts["gateway"]
        assert facts["cloudinary_url"].endswith(f"@shop?upload_prefix={facts['gateway']}")
        with urllib.request.urlopen(facts["console"], timeout=10) as answer:
            assert "Welcome, admin" in answer.read().decode()
        made = upload(str(clips("plain")), public_id="a", resource_type="video", moderation="aws_rek_video", **cloud)
        assert made["moderation"][0]["status"] == "pending"
        with urllib.request.urlopen(made["secure_url"]) as delivered:
            assert delivered.read() == clips("plain").read_bytes()
        eventually(lambda: ask("a", resource_type="video", **cloud)["moderation_status"] == "approved", within=60)


def _check_rejudging(moderation_id: str, env: dict[str, str]) -> None:
    strict = ("--moderation", "aws_rek_video:violence:0.9")
    tried = _json("rejudge", moderation_id, *strict, env=env)
    assert (tried["present"]["status"], tried["other"]["status"], tried["applied"]) == ("approved", "approved", None)
    assert tried["other"]["policy"] == "aws_rek_video:violence:0.9"
    refused = _run("rejudge", moderation_id, "--moderation", "aws_rek_video:violence:0.1", "--apply", env=env)
    assert refused.returncode == 1
    assert "violence:0.1 needs them from 10" in refused.stderr
    applied = _json("rejudge", moderation_id, *strict, "--apply", env=env)["applied"]
    assert (applied["labels_of"], applied["rejudges"]) == (moderation_id, moderation_id)
    said = _run("rejudge", moderation_id, *strict, "--apply", env=env)
    assert f"{applied['id']} is judged by the other policy" in said.stdout
    eventually(lambda: _json("status", applied["id"], env=env)["status"] == "approved", within=60)
    assert "labels of" in _run("status", applied["id"], env=env).stdout


def test_killing_the_whole_of_up_leaves_no_process_and_a_restart_resumes_unfinished_work(
    tmp_path: Path, clips: Clips
) -> None:
    data = tmp_path / "data"
    with _up(data, "--analyser", "scripted") as (process, facts):
        place = data / "media" / "clipwarden" / "in.mp4"
        place.write_bytes(clips("plain").read_bytes())
        (place.parent / "in.mp4.script.json").write_text(json.dumps({"seconds": 3600}))
        made = _json("enqueue", "s3://clipwarden/in.mp4", env=facts["environment"])

        def analysing() -> bool:
            result = _run("status", made["id"], "--json", env=facts["environment"])
            return result.returncode == 0 and json.loads(result.stdout)["stage"] == "analysing"

        eventually(analysing, within=60)
        family = family_of(process.pid)
        process.kill()
        eventually(lambda: not any(map(runs, family)), within=30)
    with _up(data, "--analyser", "scripted") as (_, facts):

        def decided() -> Any:
            shown = _json("status", made["id"], env=facts["environment"])
            return shown if shown["stage"] == "decided" else None

        # The endpoint lost the job with its process, and says so: a technical failure, never an approval.
        assert eventually(decided, within=60)["status"] == "aborted"


def test_a_second_up_on_the_same_folder_is_refused_in_plain_words(tmp_path: Path) -> None:
    with _up(tmp_path / "data", "--analyser", "scripted"):
        second = _run("up", "--data", str(tmp_path / "data"), "--port", str(free_port()))
        assert second.returncode == 1
        assert "another clipwarden is running" in second.stderr


@pytest.mark.parametrize(
    ("policy", "status"), [("aws_rek_video", "rejected"), ("aws_rek_video:alcohol:ignore", "approved")]
)
def test_the_demo_judges_what_is_truly_seen_under_any_policy(policy: str, status: str) -> None:
    (result,) = _json("demo", str(SAMPLES / "wine.mp4"), "--moderation", policy)
    assert result["status"] == status
    assert result["callback_verified"]
    assert [reason["label"] for reason in result["reasons"]] == (
        ["Alcoholic Beverages"] if status == "rejected" else []
    )


def test_the_demo_explains_what_it_cannot_judge_and_exits_with_1(clips: Clips) -> None:
    result = _run("demo", str(clips("text_named_mp4")), env={"COLUMNS": "200"})
    assert result.returncode == 1
    assert "refused: the file is not a readable MP4 or MOV video" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("demo", "--moderation", "aws_rek_video:alcohl:0.5"), "alcohol"),
        (("demo", "no-such-file.mp4"), "no such file"),
        (("enqueue", "s3://b/k", "--moderation", "aws_rek_video:alcohol:1.01"), "1.01"),
        (("worker", "--queues", "nonsense"), "intake"),
    ],
)
def test_a_wrong_use_is_explained_without_a_traceback(words: tuple[str, ...], says: str) -> None:
    result = _run(*words)
    assert result.returncode == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_enqueueing_without_redis_says_so_at_once() -> None:
    env = {"CLIPWARDEN_REDIS__URL": f"redis://127.0.0.1:{free_port()}/0"}
    result = _run("enqueue", "s3://b/k", "--json", env=env, within=30)
    assert result.returncode == 1
    assert json.loads(result.stderr)["error"]["code"] == "bus_unavailable"


def test_commands_on_a_database_without_our_schema_say_how_to_mend_it(tmp_path: Path) -> None:
    env = {"CLIPWARDEN_DATABASE__URL": f"sqlite:///{tmp_path / 'new.db'}"}
    result = _run("list", env=env)
    assert result.returncode == 1
    assert "clipwarden migrate" in result.stderr
    assert _json("migrate", env=env)["before"] is None
    assert _json("list", env=env)["moderations"] == []
    account = _json("account", "shop", "--notification-url", "https://shop.example/cb", env=env)
    assert account["api_secret"]
    assert "api_secret" not in _json("account", "shop", env=env)


def test_a_key_is_rotated(tmp_path: Path) -> None:
    env = {"CLIPWARDEN_DATABASE__URL": f"sqlite:///{tmp_path / 'new.db'}"}
    _json("migrate", env=env)
    old = _json("account", "shop", env=env)
    new = _json("key", "add", "shop", env=env)
    assert new["api_secret"] not in (None, old["api_secret"])
    _json("key", "promote", "shop", new["api_key"], env=env)
    listed = _json("key", "disable", "shop", old["api_key"], env=env)
    assert [(one["key"], one["own"], one["enabled"]) for one in listed] == [
        (new["api_key"], True, True),
        (old["api_key"], False, False),
    ]
    refused = _run("key", "delete", "shop", new["api_key"], env=env)
    assert refused.returncode == 1
    assert "promote another one first" in refused.stderr
    assert "which key?" in _run("key", "delete", "shop", env=env).stderr


def test_doctor_says_what_is_wrong(tmp_path: Path) -> None:
    env = {
        "CLIPWARDEN_DATABASE__URL": f"sqlite:///{tmp_path / 'new.db'}",
        "CLIPWARDEN_REDIS__URL": f"redis://127.0.0.1:{free_port()}/0",
        "CLIPWARDEN_MEDIA__ROOT": str(tmp_path),
        "CLIPWARDEN_REKOGNITION__REGION": "us-east-1",
        "CLIPWARDEN_REKOGNITION__ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    result = _run("doctor", "--json", env=env)
    assert result.returncode == 1
    found = {finding["check"]: finding["ok"] for finding in json.loads(result.stdout)}
    well = {check for check, ok in found.items() if ok}
    assert (well, found.keys() - well) == (
        {"media", "region", "secrets"},
        {"database", "redis", "pools", "rekognition"},
    )


def test_a_worker_whose_database_and_redis_are_down_waits_says_so_and_goes_on_when_they_come(
    tmp_path: Path, postgres: Server, postgresql_url: str
) -> None:
    server = RestartableRedis(tmp_path / "redis", "--requirepass", REDIS_PASSWORD, password=REDIS_PASSWORD)
    RUN.note("password of Redis", REDIS_PASSWORD)
    folder = tmp_path / "database"
    env = {
        "CLIPWARDEN_DATABASE__URL": postgresql_url.replace(str(postgres.folder), str(folder)),
        "CLIPWARDEN_REDIS__URL": server.url,
        "CLIPWARDEN_MEDIA__ROOT": str(tmp_path),
        "CLIPWARDEN_REKOGNITION__REGION": "us-east-1",
        "CLIPWARDEN_WORKER__METRICS_PORT": "0",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    log = tmp_path / "log"
    with log.open("w") as stream:
        worker = subprocess.Popen(
            [*CLIPWARDEN, "worker"], env={**os.environ, **env}, stderr=stream, start_new_session=True
        )
    try:
        eventually(lambda: "waiting for the database" in log.read_text(), within=60)
        folder.symlink_to(postgres.folder)
        eventually(lambda: "worker started" in log.read_text(), within=60)
        server.start()
        with Client(server.url, database_url=postgresql_url) as client:
            _json("account", "default", env=env)
            made = client.enqueue("s3://clipwarden/missing.mp4")
            eventually(lambda: _status(client, made) == "aborted", within=60)
        assert worker.poll() is None
        assert "Traceback" not in log.read_text()
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
        server.kill()
        RUN.hear(log.read_text())


def _status(client: Client, moderation_id: str) -> str | None:
    try:
        return client.get(moderation_id).status
    except errors.NotFound:
        return None
