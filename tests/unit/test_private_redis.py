"""The private server: where it is found, and that it keeps what it is given."""

import os
import shutil
from pathlib import Path

import pytest

from clipwarden import errors
from clipwarden_local import private_redis


def test_a_server_on_the_path_is_preferred_and_valkey_to_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).touch(mode=0o755)
        assert private_redis.find_server() == tmp_path / name


def test_without_one_the_wheel_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert os.access(private_redis.find_server(), os.X_OK)


def test_without_any_the_operator_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(private_redis, "find_spec", lambda _: None)
    with pytest.raises(errors.ConfigurationError, match="CLIPWARDEN_REDIS__URL"):
        private_redis.find_server()


def test_the_server_logs_its_writes_evicts_nothing_and_listens_to_this_machine_only(tmp_path: Path) -> None:
    argv = private_redis.server_command(Path("/bin/valkey-server"), data=tmp_path, port=4711)
    settings = dict(zip(argv[1::2], argv[2::2], strict=True))
    assert argv[0] == "/bin/valkey-server"
    assert settings["--bind"] == "127.0.0.1"
    assert settings["--port"] == "4711"
    assert settings["--dir"] == str(tmp_path)
    assert settings["--appendonly"] == "yes"
    assert settings["--appendfsync"] == "everysec"
    assert settings["--maxmemory-policy"] == "noeviction"


def test_waiting_for_a_server_that_does_not_come_ends() -> None:
    with pytest.raises(errors.BusUnavailable, match="no answer"):
        private_redis.wait_until_ready("redis://127.0.0.1:1/0", deadline=0)
