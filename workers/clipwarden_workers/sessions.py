"""Credentials for AWS: the environment's, or those of a role that is taken on with them."""

from functools import partial
from typing import Any

import boto3
import botocore.session
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)

from clipwarden.settings import QuotaSettings


class _Role(CredentialProvider):
    """Credentials of one role, renewed before they expire; nothing is asked for until they are needed."""

    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        """Return credentials that fetch themselves."""
        return DeferredRefreshableCredentials(method=self.METHOD, refresh_using=self._fetcher.fetch_credentials)


def session(quota: QuotaSettings) -> boto3.session.Session:
    """Return a session in the quota's region, and as its role if it has one."""
    plain = botocore.session.get_session()
    if quota.role_arn is None:
        return boto3.session.Session(botocore_session=plain, region_name=quota.region)
    extra: dict[str, Any] = {"RoleSessionName": "clipwarden"}
    if quota.external_id is not None:
        extra["ExternalId"] = quota.external_id
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(plain.create_client, region_name=quota.region),
        source_credentials=plain.get_credentials(),
        role_arn=quota.role_arn,
        extra_args=extra,
    )
    as_role = botocore.session.get_session()
    as_role.register_component("credential_provider", CredentialResolver([_Role(fetcher)]))
    return boto3.session.Session(botocore_session=as_role, region_name=quota.region)
