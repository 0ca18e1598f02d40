"""Sample videos for a first look: brought into an installation that has none yet, and only then."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from cloudinary import uploader

from clipwarden.moderation import Kind
from clipwarden.store import moderations
from clipwarden.store.engine import read
from clipwarden_local.stack import Stack

#: What is uploaded under which name, and who judges it; one is a false alarm for a reviewer to overturn.
_SEEDS = (
    ("samples/wine tasting", "wine.mp4", str(Kind.AWS_REK_VIDEO)),
    ("samples/a rabbit", "bigbuckbunny.mp4", str(Kind.AWS_REK_VIDEO)),
    ("samples/a drum", "drum.mp4", str(Kind.AWS_REK_VIDEO)),
    ("samples/for you to judge", "bigbuckbunny.mp4", str(Kind.MANUAL)),
)


def sow(stack: Stack) -> int:
    """Upload the samples as a program would, where nothing was moderated yet, and return how many."""
    with stack.engine() as engine, read(engine) as conn:
        if moderations.page(conn, limit=1).items:
            return 0
    folder, kept = Path(str(files("clipwarden_local"))) / "samples", stack.secrets()
    upload: Any = uploader.upload  # The SDK has no types.
    for public_id, file, moderation in _SEEDS:
        upload(
            str(folder / file),
            public_id=public_id,
            moderation=moderation,
            resource_type="video",
            cloud_name=stack.options.account,
            upload_prefix=stack.gateway_url,
            api_key=kept.api_key,
            api_secret=kept.api_secret,
        )
    return len(_SEEDS)
