"""What a run of tests says, and the secrets that are used in it: none may be heard."""

import base64
import re
from urllib.parse import quote, quote_plus

#: Characters; what is shorter, as tests call their secrets, is a word that may stand anywhere.
_SHORTEST = 8
#: What is a secret wherever it was made, a process of its own included.
_SHAPES = {
    "a signature in a URL": re.compile(r"[?&](?:X-Amz-)?[Ss]ignature=(?!\*)[0-9A-Za-z%/+]{16,}"),
    "a signature in a path": re.compile(r"/s--(?!\*)[\w-]{8,64}--/"),
    "a link to choose a password": re.compile(r"/welcome/(?!\*)[\w-]{20,}"),
    "a Fernet key": re.compile(r"(?<![\w-])[\w-]{43}=(?![\w=-])"),
    "an Authorization header": re.compile(r"(?i)authorization\W{1,5}(?:basic|bearer)\s+[\w+/=-]{8,}"),
}


class Overheard:
    """Secrets by where they stand, and all that was said while they were used."""

    def __init__(self) -> None:
        self._secrets: dict[str, str] = {}
        self._fresh_secrets: dict[str, str] = {}
        self._texts: list[str] = []
        self._fresh_texts: list[str] = []

    def note(self, name: str, secret: str | None) -> None:
        """Remember a secret, in all the ways in which it is written."""
        if secret is None or len(secret) < _SHORTEST:
            return
        for written in {secret, quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1]}:
            if written not in self._secrets:
                self._fresh_secrets.setdefault(written, name)

    def note_login(self, name: str, key: str, secret: str) -> None:
        """Remember a secret that also travels as HTTP Basic."""
        self.note(name, secret)
        self.note(f"{name}, as Basic", base64.b64encode(f"{key}:{secret}".encode()).decode())

    def hear(self, text: str | bytes | None) -> None:
        """Take in what was said."""
        if text:
            self._fresh_texts.append(text.decode(errors="replace") if isinstance(text, bytes) else text)

    def leaks(self) -> set[str]:
        """Return which secrets were said since this was last asked; each is looked for in all that was ever said."""
        texts, secrets = self._fresh_texts, self._fresh_secrets
        self._fresh_texts, self._fresh_secrets = [], {}
        found = {name for secret, name in (self._secrets | secrets).items() if any(secret in text for text in texts)}
        found |= {name for secret, name in secrets.items() if any(secret in text for text in self._texts)}
        found |= {name for name, shape in _SHAPES.items() if any(shape.search(text) for text in texts)}
        self._secrets |= secrets
        self._texts += texts
        return found

    def has_heard(self, text: str) -> bool:
        """Say whether this was ever said."""
        return any(text in said for said in (*self._texts, *self._fresh_texts))


#: Of this process: what fixtures and tests feed.
RUN = Overheard()
