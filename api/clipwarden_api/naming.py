"""Names that callers give: Cloudinary's rules for public ids, and names for what comes without one."""

import random
import re
import string

from clipwarden_api.refusals import bad

#: Bytes of a public id at most, and what it may not have in it.
LONGEST_PUBLIC_ID = 255
FORBIDDEN = re.compile(r"[?&#\\%<>+\x00-\x1f\x7f\ud800-\udfff]")
_ALPHABET = string.ascii_lowercase + string.digits


def check(name: str, parameter: str = "public_id") -> str:
    """Return a name that may be given to an asset; raises Refusal, which names the parameter, for any other."""
    if not _possible(name):
        raise bad(f"{parameter} ({name[:300]!r}) is invalid")
    return name


def made_up() -> str:
    """Return a name that nobody has: 20 letters and digits."""
    return "".join(random.SystemRandom().choices(_ALPHABET, k=20))


def _possible(name: str) -> bool:
    if not name or FORBIDDEN.search(name) or name != name.strip(" /") or len(name.encode()) > LONGEST_PUBLIC_ID:
        return False
    return not any(part in {"", ".", ".."} for part in name.split("/"))
