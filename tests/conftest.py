"""Fixtures that every test may ask for, and how thoroughly properties are tried."""

import fuzzing

pytest_plugins = (
    "fixtures.logs",
    "fixtures.once",
    "fixtures.browser",
    "fixtures.clips",
    "fixtures.endpoint",
    "fixtures.pipeline",
    "fixtures.postgres",
    "fixtures.helm",
    "fixtures.prometheus",
    "fixtures.redis",
    "fixtures.rabbitmq",
    "fixtures.sentinel",
    "fixtures.s3",
    "fixtures.spans",
    "fixtures.stages",
    "fixtures.store",
    "fixtures.gateway",
    "fixtures.console",
    "fixtures.sdks",
    "fixtures.oidc",
    "fixtures.aws",  # After those that it imports: pytest rewrites a module's asserts only as it first comes.
)

fuzzing.register()
