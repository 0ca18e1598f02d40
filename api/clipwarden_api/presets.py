"""Upload presets: named sets of upload parameters, which unsigned uploads cannot do without."""

from typing import Any

from clipwarden.moderation import Account, Preset
from clipwarden.store import presets
from clipwarden.store.engine import read, write
from clipwarden_api import asking, calls, naming
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad, not_found
from clipwarden_api.services import Services

#: What belongs to the call or stands in columns of its own, and so is no setting.
_BESIDE = frozenset({"name", "unsigned", "timestamp", "api_key", "signature", "file", "upload_preset"})
_LISTS = frozenset({"tags", "allowed_formats"})
_FLAGS = frozenset(
    {
        *("overwrite", "use_filename", "unique_filename", "discard_original_filename", "use_filename_as_display_name"),
        *("backup", "invalidate", "async", "eager_async", "phash", "faces", "colors", "image_metadata"),
        *("media_metadata", "quality_analysis", "accessibility_analysis", "cinemagraph_analysis"),
        *("return_delete_token", "disallow_public_id", "live"),
    }
)


def create(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Keep a new preset, and make up its name where none is given; raises Refusal for a name that is taken."""
    del path
    name = naming.check(asked.text("name") or naming.made_up(), "name")
    options = _settings(asked, caller.account)
    unsigned = asked.flag("unsigned")
    with write(services.engine) as conn:
        made = presets.create(
            conn,
            account_id=caller.account.id,
            name=name,
            options=options,
            unsigned=unsigned,
            now=services.clock.now(),
        )
    if made is None:
        raise bad(f"Upload preset {name} already exists")
    return _said("created", made) | {"name": made.name}


def show(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return a preset; raises Refusal where there is none of this name."""
    del asked
    with read(services.engine) as conn:
        found = presets.by_name(conn, caller.account.id, path["name"])
    if found is None:
        raise not_found(path["name"])
    return _shown(found)


def listing(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Return a page of the account's presets, the newest first."""
    del path
    with read(services.engine) as conn:
        items, cursor = presets.page(conn, caller.account.id, **calls.paging(asked))
    return {"presets": [_shown(one) for one in items]} | ({"next_cursor": cursor} if cursor else {})


def update(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Give a preset the settings that are named, without those that are named but empty; the others stay."""
    given = _settings(asked, caller.account)
    emptied = {name for name in asked.values if asked.text(name) is None}
    with write(services.engine) as conn:
        before = presets.by_name(conn, caller.account.id, path["name"], for_update=True)
        if before is None:
            raise not_found(path["name"])
        kept = {name: value for name, value in before.options.items() if name not in emptied}
        unsigned = asked.flag("unsigned", default=before.unsigned)
        changed = presets.ensure(
            conn,
            account_id=caller.account.id,
            name=before.name,
            options=kept | given,
            unsigned=unsigned,
            now=services.clock.now(),
        )
    return _said("updated", changed)


def delete(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    """Forget a preset; raises Refusal where there is none of this name."""
    del asked
    with write(services.engine) as conn:
        gone = presets.delete(conn, caller.account.id, path["name"])
    if gone is None:
        raise not_found(path["name"])
    return _said("deleted", gone)


def _settings(asked: Parameters, account: Account) -> dict[str, Any]:
    """Return the settings by name; raises Refusal for those that every upload through the preset would fail of."""
    asking.chain(asked.text("moderation"), account)
    asking.urls(asked.text("notification_url"))
    if (kind := asked.text("type")) not in (None, *asking.TYPES):
        raise bad(f"Invalid value for parameter type: {str(kind)[:64]}")
    return {name: _setting(asked, name) for name in asked.values.keys() - _BESIDE if asked.text(name) is not None}


def _setting(asked: Parameters, name: str) -> Any:
    if name in _LISTS:
        return list(dict.fromkeys(asked.texts(name)))
    if name in _FLAGS:
        return asked.flag(name)
    return asking.pairs(asked.text(name)) if name == "context" else asked.text(name)


def _shown(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "unsigned": preset.unsigned,
        "settings": dict(sorted(preset.options.items())),
        "external_id": preset.id.replace("-", ""),
    }


def _said(message: str, preset: Preset) -> dict[str, Any]:
    return {"message": message, "external_id": preset.id.replace("-", "")}
