"""A client of the JSON API for tests: one request, and all of its answer."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

from fixtures.pipeline import SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer."""

    status: int
    headers: Message
    data: bytes

    @property
    def json(self) -> Any:
        """Return what the body says."""
        return json.loads(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonApi:
    """The API, as somebody with a key sees it."""

    url: str
    key: str = "key"
    secret: str = SECRET

    def cloud(self, account: str = "default") -> dict[str, str]:
        """Return what Cloudinary's SDK has to be told to call the same gateway as that account."""
        return {"cloud_name": account, "api_key": self.key, "api_secret": self.secret, "upload_prefix": self.url}

    def get(self, path: str, **headers: str) -> Reply:
        """Ask for something."""
        return self.send("GET", path, None, **headers)

    def post(self, path: str, said: object = None, **headers: str) -> Reply:
        """Ask for something to be done."""
        return self.send("POST", path, None if said is None else json.dumps(said).encode(), **headers)

    def send(self, method: str, path: str, data: bytes | None, **headers: str) -> Reply:
        """Send a request; headers are written with underscores."""
        proof = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
        given = {"Authorization": f"Basic {proof}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{self.url}{path}", method=method, data=data, headers=given)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(status=answer.status, headers=answer.headers, data=answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Reply(status=answer.code, headers=answer.headers, data=answer.read())
