"""The media store that the settings name."""

from functools import partial

from clipwarden.media.folder import FolderStore
from clipwarden.media.links import Links
from clipwarden.media.store import MediaStore
from clipwarden.settings import MediaSettings


def open_store(settings: MediaSettings) -> MediaStore:
    """Return the folder at ``settings.root``, or S3 where that is unset; nothing is contacted yet."""
    if settings.root is not None:
        links = Links(settings.public_url, settings.url_secret.get_secret_value().encode())
        return FolderStore(settings.root, links)
    from clipwarden.media.s3 import S3Store, build_client, build_signing_client  # noqa: PLC0415 # AWS's libraries take 0.2 s to load

    return S3Store(build_client(settings), signers=partial(build_signing_client, settings))
