"""No call reaches what is another account's: the table of expectations has every route that there is."""

import base64
import http.client
import json
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import cloudinary.api
import cloudinary.uploader
import sqlalchemy as sa
from cloudinary.utils import sign_request
from starlette.routing import BaseRoute, Mount, Route

import console_paths
from clipwarden import ids
from clipwarden.moderation import DeliveryStage
from clipwarden.store import accounts, deliveries, keys, schema
from clipwarden.store.engine import read, write
from clipwarden_api import app
from fixtures.gateway import Gateway
from json_api import JsonApi
from sdk import VIDEO, upload

# The SDK has no types.
api: Any = cloudinary.api
signed: Any = sign_request

#: What the neighbour, with a good key of its own, is answered at a route when it names what is ours in the path, and
#: what the answer must not hold. ``open`` routes are for everybody; ``own`` ones answer with what is the neighbour's.
OPEN, OWN, NOT_FOUND, NAMELESS = "open", "own", "not found", "of names of its own"
#: The console's pages: no key opens them, only a session, and who has one is told of elsewhere.
SESSION = "session"

EXPECTED = {
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /media/{rest:path}": NOT_FOUND,
    "PUT /media/{rest:path}": NOT_FOUND,
    "OPTIONS /media/{rest:path}": OPEN,
    "GET /{cloud}/{resource_type}/upload/{rest:path}": OPEN,
    "GET /v1_1/{cloud}/{resource_type}/download": NOT_FOUND,
    "POST /v1_1/{cloud}/{resource_type}/upload": OWN,
    "POST /v1_1/{cloud}/{resource_type}/explicit": NOT_FOUND,
    "POST /v1_1/{cloud}/{resource_type}/destroy": NAMELESS,
    "POST /v1_1/{cloud}/{resource_type}/rename": NOT_FOUND,
    "POST /v1_1/{cloud}/{resource_type}/tags": NAMELESS,
    "POST /v1_1/{cloud}/{resource_type}/context": NAMELESS,
    "GET /v1_1/{cloud}/ping": OWN,
    "GET /v1_1/{cloud}/config": OWN,
    "GET /v1_1/{cloud}/usage": OWN,
    "GET /v1_1/{cloud}/usage/{date}": OWN,
    "GET /v1_1/{cloud}/tags/{resource_type}": OWN,
    "GET /v1_1/{cloud}/resources": OWN,
    "DELETE /v1_1/{cloud}/resources": NAMELESS,
    "GET /v1_1/{cloud}/resources/by_asset_ids": OWN,
    "GET /v1_1/{cloud}/resources/search": OWN,
    "POST /v1_1/{cloud}/resources/search": OWN,
    "POST /v1_1/{cloud}/resources/restore": NAMELESS,
    "DELETE /v1_1/{cloud}/resources/backup/{asset_id}": NOT_FOUND,
    "GET /v1_1/{cloud}/resources/{resource_type}": OWN,
    "GET /v1_1/{cloud}/resources/{resource_type}/context": OWN,
    "GET /v1_1/{cloud}/resources/{resource_type}/tags/{tag:path}": OWN,
    "DELETE /v1_1/{cloud}/resources/{resource_type}/tags/{tag:path}": OWN,
    "GET /v1_1/{cloud}/resources/{resource_type}/moderations/{kind}/{status}": OWN,
    "POST /v1_1/{cloud}/resources/{resource_type}/{type}/restore": NAMELESS,
    "GET /v1_1/{cloud}/resources/{resource_type}/{type}": OWN,
    "DELETE /v1_1/{cloud}/resources/{resource_type}/{type}": NAMELESS,
    "GET /v1_1/{cloud}/resources/{resource_type}/{type}/{public_id:path}": NOT_FOUND,
    "POST /v1_1/{cloud}/resources/{resource_type}/{type}/{public_id:path}": NOT_FOUND,
    "GET /v1_1/{cloud}/triggers": OWN,
    "POST /v1_1/{cloud}/triggers": OWN,
    "PUT /v1_1/{cloud}/triggers/{id}": NOT_FOUND,
    "DELETE /v1_1/{cloud}/triggers/{id}": NOT_FOUND,
    "GET /v1_1/{cloud}/upload_presets": OWN,
    "POST /v1_1/{cloud}/upload_presets": OWN,
    "GET /v1_1/{cloud}/upload_presets/{name:path}": NOT_FOUND,
    "PUT /v1_1/{cloud}/upload_presets/{name:path}": NOT_FOUND,
    "DELETE /v1_1/{cloud}/upload_presets/{name:path}": NOT_FOUND,
    "GET /v1/openapi.json": OPEN,
    "GET /v1/docs": OPEN,
    "POST /v1/moderations": NOT_FOUND,
    "GET /v1/moderations": OWN,
    "GET /v1/moderations/{id}": NOT_FOUND,
    "POST /v1/moderations/{id}/cancel": NOT_FOUND,
    "POST /v1/moderations/{id}/retry": NOT_FOUND,
    "POST /v1/moderations/{id}/rejudge": NOT_FOUND,
    "POST /v1/moderations/{id}/override": NOT_FOUND,
    "GET /v1/moderations/{id}/audit": NOT_FOUND,
    "GET /v1/moderations/{id}/labels": NOT_FOUND,
    "POST /v1/uploads": OWN,
    "GET /v1/uploads/{id}": NOT_FOUND,
    "POST /v1/uploads/{id}/complete": NOT_FOUND,
    "DELETE /v1/uploads/{id}": NOT_FOUND,
    "DELETE /v1/assets/{id}": NOT_FOUND,
    "GET /v1/assets/{id}/erasure": NOT_FOUND,
    "GET /v1/endpoints": OWN,
    "POST /v1/endpoints": OWN,
    "GET /v1/endpoints/{id}": NOT_FOUND,
    "PATCH /v1/endpoints/{id}": NOT_FOUND,
    "DELETE /v1/endpoints/{id}": NOT_FOUND,
    "POST /v1/endpoints/{id}/test": NOT_FOUND,
    "GET /v1/endpoints/{id}/secrets": NOT_FOUND,
    "POST /v1/endpoints/{id}/rotate": NOT_FOUND,
    "GET /v1/secrets": OWN,
    "POST /v1/secrets/rotate": OWN,
    "GET /v1/deliveries": OWN,
    "GET /v1/deliveries/{id}": NOT_FOUND,
    "POST /v1/deliveries/{id}/replay": NOT_FOUND,
    "POST /v1/deliveries/replay": OWN,
    **{
        route.replace(" ", " /console"): SESSION if least is not None else OPEN
        for route, least in (console_paths.LEAST | console_paths.OTHERS).items()
    },
    "POST /v1/policy": OPEN,
    "POST /v1/policy/simulate": OWN,
    "GET /v1/policy/taxonomies": OPEN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What the account has that nobody else may see or change."""

    asset_id: str
    moderation_id: str
    trigger_id: str
    upload_id: str
    delivery_id: str

    def path(self, template: str, cloud: str) -> str:
        """Return a route's path that names what is ours."""
        named = {
            "{cloud}": cloud,
            "{resource_type}": "image" if template.startswith("/v1_1/") and template.endswith("/upload") else "video",
            "{type}": "upload",
            "{public_id:path}": "secret",
            "{asset_id}": self.asset_id,
            "{rest:path}": "secret.mp4",
            "{date}": "01-01-2030",
            "{tag:path}": "secret-tag",
            "{kind}": "manual",
            "{status}": "pending",
            "{name:path}": "secret-preset",
            "{id}": self._id(template),
            "{digest}": "0",
            "{name}": "console.css",
            "{token}": "guessed",
        }
        for variable, value in named.items():
            template = template.replace(variable, value)
        assert "{" not in template
        return template

    def _id(self, template: str) -> str:
        if template.startswith("/v1/uploads"):
            return self.upload_id
        if template.startswith(("/v1/deliveries", "/console/operations/deliveries")):
            return self.delivery_id
        if template.startswith("/v1/endpoints"):
            return self.trigger_id
        return self.moderation_id if template.startswith(("/v1/", "/console/")) else self.trigger_id

    def asked(self) -> dict[str, Any]:
        """Return parameters that name what is ours in every way that a call takes."""
        return {
            "public_id": "secret",
            "public_ids[]": "secret",
            "asset_ids[]": self.asset_id,
            "version_ids[]": "0" * 32,
            "from_public_id": "secret",
            "to_public_id": "mine",
            "prefix": "sec",
            "expression": "secret OR tags:secret-tag OR moderation_kind:manual",
            "tag": "x",
            "key": "secret-key",
            "context": "a=b",
            "moderation_status": "rejected",
            "event_type": "all",
            "uri": "https://neighbour.example/x",
            "new_uri": "https://neighbour.example/y",
            "name": "mine",
            "file": "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
        }


def prepared(gateway: Gateway) -> Ours:
    answer = upload(
        gateway, "secret", moderation="manual", tags=["secret-tag"], context={"secret-key": "v"}, backup=True
    )
    api.create_upload_preset(name="secret-preset", **gateway.cloud)
    trigger = api.call_json_api(
        "post", ["triggers"], {"uri": "https://secret.example/", "event_type": "all"}, **gateway.cloud
    )
    with read(gateway.services.engine) as conn:
        moderation = conn.execute(sa.select(schema.moderations.c.id)).scalar_one()
    begun = JsonApi(url=gateway.url).post("/v1/uploads", {"filename": "secret-file.mp4", "bytes": 1})
    return Ours(
        asset_id=answer["asset_id"],
        moderation_id=moderation,
        trigger_id=trigger["id"],
        upload_id=begun.json["id"],
        delivery_id=told(gateway),
    )


def told(gateway: Gateway) -> str:
    """Make a delivery that no worker attempts, and return its id."""
    id, now = ids.new_id(), gateway.services.clock.now()
    with write(gateway.services.engine) as conn:
        account = accounts.by_name(conn, "default")
        assert account is not None
        about: dict[str, Any] = {"event": "test", "sequence": 0, "url": "https://secret.example/", "body": "{}"}
        deliveries.add(conn, id=id, account_id=account.id, due_at=now, now=now, **about)
        ended = {"stage": DeliveryStage.FAILED, "due_at": None}
        conn.execute(sa.update(schema.deliveries).where(schema.deliveries.c.id == id).values(**ended))
        conn.execute(sa.update(schema.endpoint_states).values(due_at=None))
    return id


def routes(found: list[BaseRoute], prefix: str = "") -> list[str]:
    listed: list[str] = []
    for route in found:
        if isinstance(route, Mount):
            listed += routes(list(route.routes), prefix + route.path)
        else:
            assert isinstance(route, Route)
            methods = sorted((route.methods or set()) - {"HEAD"})
            listed += [f"{method} {prefix}{route.path}" for method in methods]
    return listed


def rows(gateway: Gateway) -> dict[str, set[tuple[Any, ...]]]:
    """Return all that the database holds, but for what only the neighbour has, or what workers tell of themselves."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    with read(gateway.services.engine) as conn:
        ours = conn.execute(sa.select(schema.accounts.c.id).where(schema.accounts.c.name == "default")).scalar_one()
        for table in schema.metadata.sorted_tables:
            query = sa.select(table)
            if "account_id" in table.c:
                query = query.where(table.c.account_id == ours)
            if table.name not in ("accounts", "pools", "workers"):
                found[table.name] = {tuple(map(str, row)) for row in conn.execute(query)}
    return found


def answered(gateway: Gateway, method: str, path: str, ours: Ours, cloud: dict[str, Any]) -> tuple[int, str]:
    """Make a call with all credentials that the caller has, and parameters about what is ours."""
    connection = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=30)
    basic = base64.b64encode(f"{cloud['api_key']}:{cloud['api_secret']}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"} if cloud["api_key"] else {}
    with closing(connection):
        if path.startswith("/v1/"):
            said: dict[str, Any] = {"public_id": "secret", "moderation": "manual"} if path == "/v1/moderations" else {}
            said |= {"moderation": "aws_rek_video"} if path.endswith(("policy", "simulate", "rejudge")) else {}
            said |= {"verdict": "rejected"} if path.endswith("override") else {}
            said |= {"filename": "mine.mp4", "bytes": 1} if path == "/v1/uploads" else {}
            said |= {"url": "https://neighbour.example/z"} if "/endpoints" in path and path.count("/") < 4 else {}
            said |= {"event": "test"} if path.endswith("deliveries/replay") else {}
            bodiless = method not in ("POST", "PATCH") or path.endswith("/rotate")
            body = None if bodiless else json.dumps(said)
            connection.request(method, path, body, headers | {"Content-Type": "application/json"})
        elif path.endswith("/download"):
            now = int(gateway.services.clock.now().timestamp())
            secrets = {name: cloud[name] for name in ("api_key", "api_secret")}
            named = {"public_id": "secret", "timestamp": now}
            query = urlencode(signed(named, secrets) if cloud["api_key"] else named)
            connection.request(method, f"{path}?{query}")
        else:
            asked = ours.asked()
            if method != "POST" or not path.endswith("/upload"):
                del asked["file"]
            if method == "GET":
                del asked["context"]  # There it is a flag.
            text = urlencode(asked)
            body, query = (None, f"?{text}") if method == "GET" else (text, "")
            typed = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request(method, path + query, body, headers | typed)
        answer = connection.getresponse()
        require_cautions(answer)
        return answer.status, answer.read().decode(errors="replace")


def require_cautions(answer: http.client.HTTPResponse) -> None:
    """Look for what every answer says to browsers, whatever it answers."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    kept = answer.headers["Cache-Control"]
    assert {"no-store", "private", "immutable"} & set(kept.replace(",", " ").split()), kept
    if answer.headers.get_content_type() == "text/html":
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_every_route_is_expected(gateway: Gateway) -> None:
    assert sorted(routes(list(app.build(gateway.services).routes))) == sorted(EXPECTED)


def test_a_neighbour_sees_and_changes_nothing_of_ours(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    ours = prepared(gateway)
    before = rows(gateway)
    for route, expected in EXPECTED.items():
        method, template = route.split(" ")
        status, body = answered(gateway, method, ours.path(template, "other"), ours, neighbour)
        allowed = {NOT_FOUND: {404}, OWN: {200, 201}, NAMELESS: {200}, OPEN: {200, 404, 422}, SESSION: {303, 401}}[
            expected
        ]
        assert status in allowed, (route, status, body)
        if expected is OWN:
            # A call may repeat what it was asked, but tells nothing that only we know.
            shown = body.replace('"public_id":"secret"', "")
            assert ours.asset_id not in shown, (route, body)
            assert "secret-preset" not in shown, (route, body)
            assert "secret.example" not in shown, (route, body)
    assert rows(gateway) == before


def test_a_key_opens_no_other_account(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    ours = prepared(gateway)
    before = rows(gateway)
    for route, expected in EXPECTED.items():
        method, template = route.split(" ")
        if expected is OPEN or "{cloud}" not in template:
            continue
        status, body = answered(gateway, method, ours.path(template, "default"), ours, neighbour)
        assert status == 401, (route, status, body)
    assert rows(gateway) == before


def test_a_stranger_is_answered_nothing(gateway: Gateway) -> None:
    ours = prepared(gateway)
    switched_off(gateway)
    before = rows(gateway)
    guesser = gateway.cloud | {"api_secret": "guessed"}
    nobody = gateway.cloud | {"api_key": "", "api_secret": ""}
    former = gateway.cloud | {"api_key": "formerkey", "api_secret": "formersecret"}
    for route, expected in EXPECTED.items():
        method, template = route.split(" ")
        if route.endswith(" /media/{rest:path}") or (expected is OPEN and "policy" not in route):
            continue
        # The last has the right secret, so that nothing but the switch stands in its way.
        for stranger in (guesser, nobody, former):
            status, body = answered(gateway, method, ours.path(template, "default"), ours, stranger)
            unsigned = stranger is nobody and template.endswith("/upload")  # That needs a preset, which is not named.
            allowed = {303, 401} if expected is SESSION else {400 if unsigned else 401}
            assert status in allowed, (route, stranger["api_key"], status, body)
    assert rows(gateway) == before


def switched_off(gateway: Gateway) -> None:
    """Give the account a key that opens nothing any more."""
    with write(gateway.services.engine) as conn:
        account = accounts.by_name(conn, "default")
        assert account is not None
        keys.add(conn, account, "formerkey", "formersecret", now=gateway.services.clock.now())
        keys.switch(conn, account, "formerkey", enabled=False)


def test_uploads_of_ours_stay_ours(gateway: Gateway, neighbour: dict[str, Any]) -> None:
    upload(gateway, "secret")
    uploader: Any = cloudinary.uploader
    mine = uploader.upload(str(gateway.pipeline.clips("rotated")), public_id="secret", **VIDEO, **neighbour)
    assert mine["bytes"] == gateway.pipeline.clips("rotated").stat().st_size
    there = api.resource("secret", **VIDEO, **gateway.cloud)
    assert there["bytes"] == gateway.pipeline.clips("plain").stat().st_size
