"""The Admin API's calls about assets: listing, looking at, changing and deleting them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clipwarden import decisions, ids, labels, logs
from clipwarden.moderation import Asset, Kind, Moderation, ResourceType, Stage, Status
from clipwarden.store import library, moderations, versions
from clipwarden.store.engine import read, write
from clipwarden_api import asking, calls, rendering, uploading
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services

log = logs.logger(__name__)

_FLAGS = ("tags", "context", "metadata", "moderations")


def listing(
    services: Services, caller: Caller, form: Parameters, *, resource_type: str, **wanted: Any
) -> dict[str, Any]:
    """Return a page of the library."""
    asked = {
        "resource_type": ResourceType(resource_type),
        "prefix": form.text("prefix"),
        **wanted,
        **calls.paging(form),
    }
    page = services.listings.ask(lambda conn: library.listed(conn, caller.account, **asked))
    return _listed(services, caller, form, page.items, page.next_cursor)


def by_moderation(
    services: Services, caller: Caller, form: Parameters, *, resource_type: str, kind: str, status: str
) -> dict[str, Any]:
    """Return a page of the assets whose moderation of a kind has a status; raises Refusal for unknown ones."""
    if kind not in set(Kind):
        raise bad(f"Moderation {kind[:64]} moderation is not valid")
    if status not in set(Status):
        raise bad(f"Illegal moderation status: {status[:64]}")
    asked: dict[str, Any] = {"resource_type": ResourceType(resource_type), "kind": Kind(kind), "status": Status(status)}
    paging = calls.paging(form)
    page = services.listings.ask(lambda conn: library.moderated(conn, caller.account.id, **asked, **paging))
    return _listed(services, caller, form, page.items, page.next_cursor)


def by_public_ids(
    services: Services, caller: Caller, form: Parameters, *, resource_type: str, type: str
) -> dict[str, Any]:
    """Return the assets of these names."""
    names = [
        library.Name(resource_type=ResourceType(resource_type), type=type, public_id=public_id)
        for public_id in _few(form.texts("public_ids"))
    ]
    with read(services.engine) as conn:
        found = [library.by_name(conn, caller.account.id, name) for name in names]
    return _listed(services, caller, form, [asset for asset in found if asset and not asset.deleted_at], None)


def by_asset_ids(services: Services, caller: Caller, form: Parameters) -> dict[str, Any]:
    """Return the assets with these ids."""
    asked = [id for text in _few(form.texts("asset_ids")) if (id := ids.read(text)) is not None]
    with read(services.engine) as conn:
        found = library.by_ids(conn, caller.account.id, asked)
    return _listed(services, caller, form, [asset for asset in found if not asset.deleted_at], None)


def show(services: Services, caller: Caller, name: library.Name, *, with_versions: bool = False) -> dict[str, Any]:
    """Return all that is known of one asset, and of its earlier bytes; raises Refusal where there is none."""
    asset = _present(services, caller, name)
    earlier = {"versions": _versions(services, asset)} if with_versions else {}
    return shown(services, caller, asset) | earlier


def show_by_id(services: Services, caller: Caller, text: str) -> dict[str, Any]:
    """Return all that is known of the asset with this id; raises Refusal where there is none."""
    id = ids.read(text)
    with read(services.engine) as conn:
        found = library.by_ids(conn, caller.account.id, [id] if id else [])
    if not found or (found[0].deleted_at is not None and not found[0].backup):
        raise not_found(text)
    return shown(services, caller, found[0])


def update(services: Services, caller: Caller, name: library.Name, form: Parameters) -> dict[str, Any]:
    """Describe an asset anew, and let a human's verdict be the asset's; raises Refusal for any other status."""
    status = form.text("moderation_status")
    if status not in (None, Status.APPROVED, Status.REJECTED):
        raise bad(f"Illegal moderation status: {status}")
    asset = _present(services, caller, name)
    if described := uploading.changes(form):
        with write(services.engine) as conn:
            asset = library.describe(conn, asset, now=services.clock.now(), **described)
    if status is not None:
        _override(services, caller, asset, Status(status), asking.urls(form.text("notification_url")))
    return show(services, caller, name)


def _override(
    services: Services, caller: Caller, asset: Asset, status: Status, notification_urls: Sequence[str]
) -> None:
    """Let the verdict be that of the asset's weightiest moderation, or of one that is made for it."""
    now = services.clock.now()
    with read(services.engine) as conn:
        present = library.moderations_of(conn, [asset.id])[asset.id]
    found = {one.id: _labels(services, one) for one in present}
    with write(services.engine) as conn:
        library.by_id(conn, asset.account_id, asset.id, for_update=True)  # Before any of its moderations.
        one = rendering.weightiest(present) or _by_hand(conn, asset, notification_urls, now)
        if notification_urls:
            moderations.tell(conn, one.id, notification_urls)
        decisions.override(
            conn,
            one.id,
            status=status,
            by=caller.key,
            labels=found.get(one.id, []),
            public_url=services.public_url,
            now=now,
        )


def _by_hand(conn: Any, asset: Asset, notification_urls: Sequence[str], now: Any) -> Moderation:
    request = asking.requests(asset, [Kind.MANUAL], notification_urls, now=now)
    made, _ = moderations.accept_all(conn, request, now=now)[0]
    return made


def _present(services: Services, caller: Caller, name: library.Name) -> Asset:
    with read(services.engine) as conn:
        asset = library.by_name(conn, caller.account.id, name)
    if asset is None or (asset.deleted_at is not None and not asset.backup):
        raise not_found(name.public_id)
    return asset


def _versions(services: Services, asset: Asset) -> list[dict[str, Any]]:
    with read(services.engine) as conn:
        kept, refused = versions.of_asset(conn, asset.id), versions.rejected(conn, asset.id)
    return [rendering.version(one, restorable=one.version not in refused) for one in kept]


def shown(services: Services, caller: Caller, asset: Asset) -> dict[str, Any]:
    """Return all that is known of an asset."""
    with read(services.engine) as conn:
        present = library.moderations_of(conn, [asset.id])[asset.id]
        # Read after its moderations, so that it is where their verdicts want it.
        [asset] = library.by_ids(conn, asset.account_id, [asset.id])
    found = {one.id: _labels(services, one) for one in present}
    return rendering.resource(caller.account, asset, present, found, public_url=services.public_url)


def _labels(services: Services, moderation: Moderation) -> list[dict[str, Any]]:
    if moderation.stage is not Stage.DECIDED:
        return []
    return labels.shown(services.media, services.settings.media.bucket, moderation)


def _listed(
    services: Services, caller: Caller, form: Parameters, assets: Sequence[Asset], cursor: str | None
) -> dict[str, Any]:
    flags = {name: form.flag(name) for name in _FLAGS}
    present: Mapping[str, Sequence[Moderation]] = {}
    if flags["moderations"]:
        with read(services.engine) as conn:
            present = library.moderations_of(conn, [asset.id for asset in assets])
    shown = [
        rendering.listed(caller.account, asset, present.get(asset.id, ()), flags, public_url=services.public_url)
        for asset in assets
    ]
    return {"resources": shown} | ({"next_cursor": cursor} if cursor else {})


def _few(asked: Sequence[str]) -> Sequence[str]:
    if len(asked) > calls.MOST_IDS:
        raise bad(f"At most {calls.MOST_IDS} ids may be asked for at once")
    return asked


def names(public_ids: Sequence[str], resource_type: str, type: str) -> list[library.Name]:
    """Return the names of assets of one type."""
    kind = ResourceType(resource_type)
    return [library.Name(resource_type=kind, type=type, public_id=one) for one in dict.fromkeys(_few(public_ids))]


def tag(services: Services, caller: Caller, wanted: Sequence[library.Name], form: Parameters) -> dict[str, Any]:
    """Add or remove tags, and return the names of the assets that were there."""
    given, command = form.texts("tag"), form.text("command") or "add"
    commands: dict[str, Callable[[Sequence[str]], Sequence[str]]] = {
        "add": lambda before: [*before, *given],
        "remove": lambda before: [one for one in before if one not in given],
        "replace": lambda _: given,
        "remove_all": lambda _: [],
    }
    if (change := commands.get(command)) is None:
        raise bad(f"Invalid command: {command[:64]}; there are {', '.join(commands)}")
    return _each(services, caller, wanted, lambda asset: {"tags": list(dict.fromkeys(change(asset.tags)))})


def set_context(services: Services, caller: Caller, wanted: Sequence[library.Name], form: Parameters) -> dict[str, Any]:
    """Add to the context of assets or empty it, and return the names of those that were there."""
    given, command = asking.pairs(form.text("context")), form.text("command") or "add"
    if command not in {"add", "remove_all"}:
        raise bad(f"Invalid command: {command[:64]}")
    empty = command == "remove_all"
    return _each(services, caller, wanted, lambda asset: {"context": {} if empty else {**asset.context, **given}})


def _each(
    services: Services,
    caller: Caller,
    wanted: Sequence[library.Name],
    change: Callable[[Asset], dict[str, Any]],
) -> dict[str, Any]:
    now, done = services.clock.now(), []
    with write(services.engine) as conn:
        library.hold(conn, caller.account.id, wanted)
        for name in wanted:
            asset = library.by_name(conn, caller.account.id, name)
            if asset is not None and asset.deleted_at is None:
                library.describe(conn, asset, now=now, **change(asset))
                done.append(name.public_id)
    return {"public_ids": done}
