"""Fixtures that every test may ask for."""

pytest_plugins = (
    "fixtures.clips",
    "fixtures.pipeline",
    "fixtures.postgres",
    "fixtures.redis",
    "fixtures.s3",
    "fixtures.store",
)
