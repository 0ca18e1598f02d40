"""boto3 clients of the AWS services that stand beside the endpoint."""

import os
from typing import Any

import boto3
from botocore.config import Config

_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE")


def aws_client(service: Any, *, endpoint_url: str, region: str) -> Any:
    """Return a client for a service at its own address; without credentials in the environment, made-up ones.

    Servers that stand in for AWS take any; asking for the machine's role instead would wait for a network that
    is not there.
    """
    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=20)
    made_up = None if any(os.environ.get(name) for name in _CREDENTIALS) else "local"
    return boto3.session.Session().client(
        service,
        endpoint_url=endpoint_url,
        region_name=region,
        config=config,
        aws_access_key_id=made_up,
        aws_secret_access_key=made_up,
    )
