"""Which pools there are, and which buckets are whose."""

import pydantic
import pytest

from clipwarden import errors, placing
from clipwarden.settings import PoolSettings, Settings

EU = {"CLIPWARDEN_POOLS__EU__REGION": "eu-central-1", "CLIPWARDEN_POOLS__EU__BUCKETS": "clips-eu,more-eu"}
US = {"CLIPWARDEN_POOLS__US_2__REGION": "us-west-2", "CLIPWARDEN_POOLS__US_2__BUCKETS": "clips-us"}


def _settings(monkeypatch: pytest.MonkeyPatch, *environments: dict[str, str]) -> Settings:
    for environment in environments:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
    return Settings()


def test_without_pools_there_is_one_named_after_its_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings = _settings(monkeypatch, {"CLIPWARDEN_REKOGNITION__RESERVE": "2"})
    assert placing.quotas(settings) == {"eu-west-1": PoolSettings(region="eu-west-1", reserve=2)}


def test_without_a_region_it_is_said_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(errors.ConfigurationError, match="CLIPWARDEN_REKOGNITION__REGION"):
        placing.quotas(Settings())


def test_the_environment_names_any_number_of_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = placing.quotas(_settings(monkeypatch, EU, US))
    assert {name: pool.buckets for name, pool in quotas.items()} == {
        "eu": ("clips-eu", "more-eu"),
        "us_2": ("clips-us",),
    }
    assert [placing.get_rate(pool) for pool in quotas.values()] == [5, 20]


@pytest.mark.parametrize(
    ("beside", "complaint"),
    [
        ({"CLIPWARDEN_POOLS__BARE__REGION": "us-east-1"}, "bare lists none"),
        ({"CLIPWARDEN_REKOGNITION__SLOTS": "5"}, "none beside them"),
        ({"CLIPWARDEN_COMPLETION__QUEUE_URL": "https://sqs/q"}, "none beside them"),
        ({"CLIPWARDEN_POOLS__EU__SLOTS": "5", "CLIPWARDEN_POOLS__EU__RESERVE": "5"}, "reserve must be less"),
        ({"CLIPWARDEN_POOLS__EU__ROLE_ARN": "somebody"}, "role_arn"),
    ],
)
def test_pools_that_cannot_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, beside: dict[str, str], complaint: str
) -> None:
    with pytest.raises(pydantic.ValidationError, match=complaint):
        _settings(monkeypatch, EU, beside)


def test_what_is_not_the_quota_may_be_set_beside_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _settings(monkeypatch, EU, {"CLIPWARDEN_REKOGNITION__FIRST_LOOK": "9"}).rekognition.first_look == 9


def test_new_videos_are_kept_where_the_pool_reads_them() -> None:
    pool = PoolSettings(buckets=("a", "b"))
    assert [placing.bucket_of(pool, default) for default in ("b", "elsewhere")] == ["b", "a"]
    assert placing.bucket_of(PoolSettings(), "anywhere") == "anywhere"
