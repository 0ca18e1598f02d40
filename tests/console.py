"""The console as a browser sees it: a cookie jar, forms that carry their proof, and pages to read."""

import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Engine
from starlette.testclient import TestClient

from clipwarden.people import Role, User
from clipwarden.settings import DatabaseSettings, MediaSettings, RedisSettings, RekognitionSettings, Settings
from clipwarden.store import users
from clipwarden.store.engine import write
from clipwarden_api import app
from clipwarden_api import services as gateway_services
from clipwarden_api.console import passwords
from clipwarden_api.services import Services
from records import START

PASSWORD = "correct horse battery staple"


def services(engine: Engine, tmp_path: Path) -> Services:
    """Return a gateway's services over a test's database; nothing of it contacts Redis."""
    return gateway_services.build(
        Settings(
            database=DatabaseSettings(url=SecretStr(engine.url.render_as_string(hide_password=False))),
            redis=RedisSettings(url=SecretStr("redis://127.0.0.1:1/0")),
            media=MediaSettings(root=tmp_path / "media", url_secret=SecretStr("urls")),
            rekognition=RekognitionSettings(region="us-east-1"),
        )
    )


def user(engine: Engine, name: str = "ana", role: Role = Role.REVIEWER, account_ids: list[str] | None = None) -> User:
    """Create somebody whose password is ``PASSWORD``."""
    with write(engine) as conn:
        made = users.add(conn, name, role=role, account_ids=account_ids, now=START)
        users.set_password(conn, made.id, hashed(), now=START)
    return made


def hashed(_kept: list[str] = []) -> str:  # noqa: B006 # hashed once for all tests
    """Return the password's hash."""
    if not _kept:
        _kept.append(passwords.hashed(PASSWORD))
    return _kept[0]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    status: int
    text: str
    address: str

    @property
    def words(self) -> str:
        """Return what a person reads."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


class Browser:
    """Somebody's browser; it follows redirects, and sends with forms what pages put into them."""

    def __init__(self, services: Services) -> None:
        self.client = TestClient(app.build(services), base_url="https://testserver", raise_server_exceptions=False)
        self.proof = ""

    def get(self, path: str) -> Page:
        """Go to a page."""
        return self._page("GET", path, None)

    def post(self, path: str, **fields: str) -> Page:
        """Send a form."""
        return self._page("POST", path, {"csrf": self.proof} | fields)

    def sign_in(self, name: str = "ana", password: str = PASSWORD, **fields: str) -> Page:
        """Sign in."""
        return self.post("/console/sign-in", name=name, password=password, **fields)

    def _page(self, method: str, path: str, fields: dict[str, str] | None) -> Page:
        answer = self.client.request(method, path, data=fields)
        if found := re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text):
            self.proof = found[1]
        return Page(answer.status_code, answer.text, answer.url.raw_path.decode())
