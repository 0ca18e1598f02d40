"""The routes of the Admin API: calls that look at the library and change it, by HTTP Basic."""

from typing import Any

from starlette.routing import Route

from clipwarden.moderation import ResourceType
from clipwarden.store import library
from clipwarden_api import calls, presets, removing, resources, restoring, searching, triggers, usage
from clipwarden_api.credentials import Caller
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import bad
from clipwarden_api.services import Services

_ASSET_ID = "[0-9a-f]{32}"


def routes() -> list[Route]:
    """Return the routes, those with fixed words before those with names."""
    base = "/v1_1/{cloud}"
    return [
        Route(f"{base}/ping", calls.admin(_ping), methods=["GET"]),
        Route(f"{base}/resources", calls.admin(_types), methods=["GET"]),
        Route(f"{base}/resources/by_asset_ids", calls.admin(_by_asset_ids), methods=["GET"]),
        Route(f"{base}/resources/search", calls.admin(searching.search), methods=["GET", "POST"]),
        Route(f"{base}/resources/{{resource_type}}/context", calls.admin(_by_context), methods=["GET"]),
        Route(f"{base}/usage", calls.admin(usage.report), methods=["GET"]),
        Route(f"{base}/usage/{{date}}", calls.admin(usage.report), methods=["GET"]),
        Route(f"{base}/config", calls.admin(usage.config), methods=["GET"]),
        Route(f"{base}/tags/{{resource_type}}", calls.admin(usage.tags), methods=["GET"]),
        Route(f"{base}/triggers", calls.admin(triggers.create), methods=["POST"]),
        Route(f"{base}/triggers", calls.admin(triggers.listing), methods=["GET"]),
        Route(f"{base}/triggers/{{id}}", calls.admin(triggers.update), methods=["PUT"]),
        Route(f"{base}/triggers/{{id}}", calls.admin(triggers.delete), methods=["DELETE"]),
        Route(f"{base}/upload_presets", calls.admin(presets.create), methods=["POST"]),
        Route(f"{base}/upload_presets", calls.admin(presets.listing), methods=["GET"]),
        *(
            Route(f"{base}/upload_presets/{{name:path}}", calls.admin(work), methods=[method])
            for method, work in (("GET", presets.show), ("PUT", presets.update), ("DELETE", presets.delete))
        ),
        Route(f"{base}/resources/restore", calls.admin(restoring.by_asset_ids), methods=["POST"]),
        Route(
            f"{base}/resources/{{resource_type}}/{{type}}/restore",
            calls.admin(restoring.by_public_ids),
            methods=["POST"],
        ),
        Route(f"{base}/resources/backup/{{asset_id}}", calls.admin(restoring.forget), methods=["DELETE"]),
        Route(f"{base}/resources", calls.admin(removing.by_asset_ids), methods=["DELETE"]),
        Route(
            f"{base}/resources/{{resource_type}}/tags/{{tag:path}}", calls.admin(removing.by_tag), methods=["DELETE"]
        ),
        Route(f"{base}/resources/{{resource_type}}/tags/{{tag:path}}", calls.admin(_by_tag), methods=["GET"]),
        Route(
            f"{base}/resources/{{resource_type}}/moderations/{{kind}}/{{status}}",
            calls.admin(_by_moderation),
            methods=["GET"],
        ),
        Route(f"{base}/resources/{{resource_type}}", calls.admin(_listing), methods=["GET"]),
        Route(f"{base}/resources/{{resource_type}}/{{type}}", calls.admin(_listing), methods=["GET"]),
        Route(f"{base}/resources/{{resource_type}}/{{type}}", calls.admin(removing.by_type), methods=["DELETE"]),
        Route(f"{base}/resources/{{resource_type}}/{{type}}/{{public_id:path}}", calls.admin(_show), methods=["GET"]),
        Route(
            f"{base}/resources/{{resource_type}}/{{type}}/{{public_id:path}}", calls.admin(_update), methods=["POST"]
        ),
    ]


def _ping(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    del services, caller, asked, path
    return {"status": "ok"}


def _types(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    del services, caller, asked, path
    return {"resource_types": [str(one) for one in ResourceType]}


def _by_asset_ids(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    del path
    return resources.by_asset_ids(services, caller, asked)


def _by_tag(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.listing(services, caller, asked, resource_type=calls.resource_type(path), tag=path["tag"])


def _by_context(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    if (key := asked.text("key")) is None:
        raise bad("Missing required parameter - key")
    pair = (key, asked.text("value"))
    return resources.listing(services, caller, asked, resource_type=calls.resource_type(path), pair=pair)


def _by_moderation(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.by_moderation(
        services, caller, asked, resource_type=calls.resource_type(path), kind=path["kind"], status=path["status"]
    )


def _listing(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    if "type" not in path and (id := path["resource_type"]) not in set(ResourceType):
        # An asset's id stands where a resource type may.
        return resources.show_by_id(services, caller, id)
    wanted = {"resource_type": calls.resource_type(path)}
    if "public_ids" in asked.values:
        return resources.by_public_ids(services, caller, asked, type=path.get("type", "upload"), **wanted)
    return resources.listing(services, caller, asked, type=path.get("type"), **wanted)


def _show(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.show(services, caller, _name(path), with_versions=asked.flag("versions"))


def _update(services: Services, caller: Caller, asked: Parameters, path: dict[str, str]) -> dict[str, Any]:
    return resources.update(services, caller, _name(path), asked)


def _name(path: dict[str, str]) -> library.Name:
    return library.Name(
        resource_type=ResourceType(calls.resource_type(path)), type=path["type"], public_id=path["public_id"]
    )
