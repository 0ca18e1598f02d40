"""What viewers are given."""

import http.client
import urllib.error
import urllib.request


def seen_at(url: str) -> bytes | None:
    """Return what a URL gives, ``None`` where it is refused; raises OSError where it breaks off."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            content: bytes = answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return None
    except http.client.HTTPException as exc:  # Whoever served it was killed.
        raise ConnectionError(str(exc)) from exc
    return content
