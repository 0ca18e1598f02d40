"""The settings and the file that is their manual."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pydantic
import pytest
from pydantic import BaseModel, SecretStr

from clipwarden.settings import CompletionSettings, PoolSettings, Settings

MANUAL = Path(__file__).parents[2] / "deploy" / "settings.env"


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(f"{part:g}" if isinstance(part, float) else str(part) for part in value)
    return "" if value is None else str(value)


def _manual(prefix: str, group: BaseModel) -> Iterator[str]:
    for key, setting in type(group).model_fields.items():
        value = getattr(group, key)
        if isinstance(value, BaseModel):
            yield from _manual(f"{prefix}__{key}", value)
            continue
        assert setting.description, f"{prefix}.{key} says nothing of its meaning"
        yield f"# {setting.description}"
        yield f"#CLIPWARDEN_{prefix.upper()}__{key.upper()}={_text(value)}"


def test_the_manual_lists_every_setting_with_its_default_and_meaning() -> None:
    expected: list[str] = []
    for group, field in Settings.model_fields.items():
        named = group == "pools"
        expected += _manual(f"{group}__name" if named else group, PoolSettings() if named else field.default)
    lines = [line for line in MANUAL.read_text().splitlines() if line in expected or line.startswith("#CLIPWARDEN_")]
    assert lines == expected


def test_the_environment_changes_one_setting_and_leaves_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPWARDEN_WORKER__THREADS", "3")
    monkeypatch.setenv("CLIPWARDEN_CALLBACK__ALLOW_NETWORKS", "127.0.0.0/8, ::1/128")
    settings = Settings()
    assert settings.worker.threads == 3
    assert settings.worker.lease == 30
    assert [str(network) for network in settings.callback.allow_networks] == ["127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_a_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CLIPWARDEN_WORKER__THREADS", value)
    with pytest.raises(pydantic.ValidationError, match="threads"):
        Settings()


def test_a_secret_is_not_shown_when_settings_are_printed_or_complained_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPWARDEN_DATABASE__URL", "postgresql+psycopg://u:hunter2@db/x")
    assert "hunter2" not in repr(Settings())
    monkeypatch.setenv("CLIPWARDEN_DATABASE__POOL_SIZE", "0")
    with pytest.raises(pydantic.ValidationError) as caught:
        Settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["TOPIC_ARN", "ROLE_ARN"])
def test_a_topic_and_the_role_that_publishes_to_it_are_set_together(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    arns = {"TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:done", "ROLE_ARN": "arn:aws:iam::123456789012:role/rek"}
    monkeypatch.setenv(f"CLIPWARDEN_COMPLETION__{name}", arns[name])
    with pytest.raises(pydantic.ValidationError, match="set together"):
        Settings()


@pytest.mark.parametrize(
    ("partition", "taken"), [("aws", True), ("aws-cn", True), ("aws-us-gov", True), ("gcp", False)]
)
def test_a_topic_and_its_role_may_be_in_any_partition_of_aws(partition: str, *, taken: bool) -> None:
    topic, role = f"arn:{partition}:sns:us-gov-west-1:123456789012:done", f"arn:{partition}:iam::123456789012:role/rek"
    with contextlib.nullcontext() if taken else pytest.raises(pydantic.ValidationError, match="role_arn"):
        CompletionSettings(topic_arn=topic, role_arn=role)
