"""Asking for moderations: of videos that are elsewhere, and of assets that are there."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from clipwarden import errors, ids, tracing
from clipwarden.media import sources
from clipwarden.moderation import Asset, Kind, Location, Preset, ResourceType, Stage, Status
from clipwarden.policy import Policy
from clipwarden.store import assets, library, moderations, presets
from clipwarden.store.engine import write
from clipwarden.store.moderations import Request
from clipwarden_api import asking, naming
from clipwarden_api.services import Services
from clipwarden_api.v1 import problems, showing
from clipwarden_api.v1.operation import Answer, Call
from clipwarden_api.v1.requests import ModerationRequest


def submit(call: Call) -> Answer:
    """Ask for a moderation and return it: 201 if it is new, 200 if there is one with this idempotency key.

    Of several that wait for each other, the first is returned.
    """
    services, asked = call.services, call.asked
    if asked.source is not None:
        _require_open(services, asked.source)
    now = services.clock.now()
    with write(services.engine) as conn:
        preset = preset_of(conn, call)
        parameters = _chain(call, preset)
        urls = _urls(asked, preset)
        if asked.source is not None:
            requests = _elsewhere(conn, call, parameters, urls, now)
        else:
            requests = asking.requests(_there(conn, call), parameters, urls, now=now)
        made = moderations.accept_all(conn, _keyed(call, requests), now=now)
        first, new = made[0]
        answer = call.done(conn, 201 if new else 200, showing.shown(conn, first))
    tracing.accepted(*(one.id for one, new in made if new))
    return answer


def _keyed(call: Call, requests: Sequence[Request]) -> list[Request]:
    """Give the first the caller's key; if that is known, the others come with the first one they belong to."""
    asked: ModerationRequest = call.asked
    weighted = [dataclasses.replace(request, priority=asked.priority) for request in requests]
    if asked.idempotency_key is None:
        return weighted
    if len(weighted) > 1:
        raise problems.fault(
            "/idempotency_key", "a chain of moderations cannot have one: use the Idempotency-Key header"
        )
    id = ids.derived_id(call.caller.account.name, asked.idempotency_key)
    return [dataclasses.replace(weighted[0], id=id, idempotency_key=asked.idempotency_key)]


def _require_open(services: Services, source: str) -> None:
    """Raise Problem for an object that not every account may have: our own buckets hold other accounts' videos."""
    found = sources.parse_source(source, services.settings.media)
    if isinstance(found, Location) and found.bucket not in services.settings.api.source_buckets:
        raise problems.fault("/source", f"bucket {found.bucket} is not one that videos may be taken from")


def preset_of(conn: Connection, call: Call) -> Preset | None:
    """Return the preset that the request names; raises Problem where there is none of the name."""
    if (name := call.asked.preset) is None:
        return None
    preset = presets.by_name(conn, call.caller.account.id, name)
    if preset is None:
        raise problems.fault("/preset", "there is no such preset")
    return preset


def _chain(call: Call, preset: Preset | None) -> tuple[str, ...]:
    """Return the moderations that are asked for, by the request or else its preset."""
    of_preset = preset.options.get("moderation") if preset is not None else None
    text = call.asked.moderation or of_preset or str(Kind.AWS_REK_VIDEO)
    return chain(text, call.caller.account.default_taxonomy)


def chain(text: str, taxonomy: str) -> tuple[str, ...]:
    """Return the moderations that a parameter asks for, in their order; raises Problem for one that is none."""
    found: list[str] = []
    offset = 0
    for part in text.split("|"):
        begin = offset + len(part) - len(part.lstrip())
        if part.strip() != Kind.MANUAL:
            _require_policy(part.strip(), taxonomy, begin)
        found.append(part.strip())
        offset += len(part) + 1
    if len(set(map(asking.kind_of, found))) < len(found):
        raise problems.fault("/moderation", "a kind of moderation is named twice")
    return tuple(found)


def _require_policy(text: str, taxonomy: str, offset: int) -> None:
    try:
        Policy.parse(text, default_taxonomy=taxonomy)
    except errors.PolicyError as exc:
        raise problems.policy(exc, offset=offset) from exc


def _urls(asked: ModerationRequest, preset: Preset | None) -> tuple[str, ...]:
    if asked.notification_urls is not None:
        return tuple(dict.fromkeys(asked.notification_urls))
    return asking.urls(preset.options.get("notification_url") if preset is not None else None)


def _there(conn: Connection, call: Call) -> Asset:
    """Return the asset that is named; raises NotFound for another account's too, and for one without bytes."""
    asked: ModerationRequest = call.asked
    account_id = call.caller.account.id
    if asked.asset_id is not None:
        id = ids.read(asked.asset_id)
        asset = library.by_id(conn, account_id, id) if id is not None else None
    else:
        name = library.Name(resource_type=ResourceType.VIDEO, type="upload", public_id=asked.public_id or "")
        asset = library.by_name(conn, account_id, name)
    if asset is None or asset.deleted_at is not None or asset.location is None:
        raise errors.NotFound("there is no such asset")
    return asset


def _elsewhere(
    conn: Connection, call: Call, parameters: Sequence[str], urls: Sequence[str], now: datetime
) -> list[Request]:
    """Return the requests for a video that workers are to fetch, and make its asset."""
    asked: ModerationRequest = call.asked
    first = ids.new_id()
    key = asked.idempotency_key
    own = ids.derived_id(call.caller.account.name, key) if key is not None else first
    name = naming.check(asked.public_id) if asked.public_id is not None else own.replace("-", "")[-20:]
    asset = assets.obtain(conn, account_id=call.caller.account.id, public_id=name, now=now)
    if asset.deleted_at is not None:
        raise errors.Conflict("the asset of this name was deleted: restore it, or choose another name")
    chain = ids.new_id() if len(parameters) > 1 else None
    return [
        Request(
            id=first if position == 0 else ids.new_id(),
            account_id=asset.account_id,
            asset_id=asset.id,
            kind=asking.kind_of(parameter),
            policy=parameter,
            source=asked.source or "",
            idempotency_key=None,
            notification_urls=urls,
            priority=asked.priority,
            stage=Stage.INTAKE,
            status=Status.PENDING if position == 0 else Status.QUEUED,
            due_at=now if position == 0 else None,
            chain=chain,
            chain_position=position,
        )
        for position, parameter in enumerate(parameters)
    ]
