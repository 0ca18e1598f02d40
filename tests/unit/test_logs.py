"""Logs carry what was bound, in either format, and never a secret."""

import json
import logging

import pytest
import structlog

from clipwarden import logs
from clipwarden.settings import LogFormat, LogSettings


def test_json_lines_carry_event_level_time_and_context(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=LogFormat.JSON))
    with structlog.contextvars.bound_contextvars(moderation_id="m1"):
        logs.logger("test").info("job started", job_id="j1")
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp")
    assert line == {"event": "job started", "level": "info", "moderation_id": "m1", "job_id": "j1"}


@pytest.mark.parametrize("form", list(LogFormat))
def test_secrets_are_struck_out_whoever_logs_them(form: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=form))
    logs.logger("test").warning("odd", **dict.fromkeys(logs.SECRET_KEYS, "hunter2"))
    shown = capsys.readouterr().err
    assert "hunter2" not in shown
    assert "***" in shown


@pytest.mark.parametrize("form", list(LogFormat))
@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/shop/video/upload/s--Ab_3-xYz--/v1/holiday.mp4", "/shop/video/upload/s--***--/v1/holiday.mp4"),
        ("/shop/video/upload/s--Ab--xYz--/s--b--", "/shop/video/upload/s--***--/s--***--"),
        ("/console/welcome/0123456789abcdef", "/console/welcome/***"),
        ("/shop/video/upload/was--so--it/a.mp4", "/shop/video/upload/was--so--it/a.mp4"),
    ],
)
def test_what_is_secret_in_a_path_is_struck_out(
    form: LogFormat, path: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(LogSettings(format=form))
    logs.logger("test").error("request broke", path=path)
    said = capsys.readouterr().err
    assert shown in said
    assert path == shown or path not in said


def test_a_librarys_warning_comes_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(format=LogFormat.JSON))
    logging.getLogger("somebody.else").warning("consumer lost")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"]) == ("consumer lost", "warning")


def test_what_is_below_the_level_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(LogSettings(level="error"))
    logs.logger("test").warning("odd")
    assert not capsys.readouterr().err
