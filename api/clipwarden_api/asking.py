"""What an upload asks for: the asset's name and description, and who is to judge it."""

import random
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from clipwarden import errors, ids
from clipwarden.message import MAX_NOTIFICATION_URLS
from clipwarden.moderation import Account, Asset, Kind, Preset, ResourceType, Stage, Status
from clipwarden.policy import Policy
from clipwarden.store.library import Name
from clipwarden.store.moderations import Request
from clipwarden_api import naming
from clipwarden_api.parameters import Parameters
from clipwarden_api.refusals import Refusal, bad

#: How assets may be delivered.
TYPES = ("upload", "private", "authenticated")

#: What may be asked for without a signature; everything else must come from the preset.
UNSIGNED = frozenset(
    {
        *("upload_preset", "public_id", "public_id_prefix", "folder", "asset_folder", "tags", "context", "metadata"),
        *("face_coordinates", "custom_coordinates", "regions", "source", "filename_override", "file", "timestamp"),
        *("manifest_transformation", "manifest_json", "template", "template_vars", "api_key", "signature"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How an asset is to be called, described and judged."""

    public_id: str
    type: str
    described: dict[str, Any]  #: The columns that say what the asset is called and belongs to, tags and context too.
    moderation: tuple[str, ...]
    notification_urls: tuple[str, ...]
    overwrite: bool
    allowed_formats: frozenset[str]  #: Empty where any will do.
    extension: str  #: Of the file's name; tells the format of files that are not looked into.

    def require_format(self, resource_type: ResourceType, found: str | None) -> None:
        """Raise Refusal for a file of a format that is not wanted; ``found`` is what looking into it has shown."""
        file_format = found or self.extension
        if self.allowed_formats and file_format not in self.allowed_formats:
            raise bad(f"{str(resource_type).capitalize()} file format {file_format[:16] or 'unknown'} not allowed")

    def name(self, resource_type: ResourceType) -> Name:
        """Return the asset's name."""
        return Name(resource_type=resource_type, type=self.type, public_id=self.public_id)


def read(form: Parameters, account: Account, preset: Preset | None, *, signed: bool) -> Asked:
    """Return what a form asks for, with what its preset says; raises Refusal for what cannot be had."""
    merged = _merged(form, preset, signed=signed)
    filename = _filename(merged)
    kind = merged.text("type") or "upload"
    if kind not in TYPES:
        raise bad(f"Invalid value for parameter type: {kind[:64]}")
    moderation = chain(merged.text("moderation"), account)
    return Asked(
        public_id=_public_id(merged, filename),
        type=kind,
        described={
            "tags": list(dict.fromkeys(merged.texts("tags"))),
            "context": pairs(merged.text("context")),
            "original_filename": filename,
            "display_name": merged.text("display_name"),
            "asset_folder": merged.text("asset_folder") or merged.text("folder"),
            "backup": merged.flag("backup"),
        },
        moderation=moderation,
        notification_urls=tuple(
            dict.fromkeys(re.split(r"[\s,]+", merged.text("notification_url") or "")) - {"": None}.keys()
        )
        if merged.text("notification_url")
        else (),
        overwrite=merged.flag("overwrite", default=signed),
        allowed_formats=_formats(merged.texts("allowed_formats")),
        extension=_format(PurePosixPath(_full_name(merged)).suffix),
    )


def chain(parameter: str | None, account: Account) -> tuple[str, ...]:
    """Return the moderations that a parameter asks for, in their order; raises Refusal for one that is none."""
    if parameter is None:
        return ()
    asked = tuple(part.strip() for part in parameter.split("|") if part.strip())
    for one in asked:
        kind = one.partition(":")[0]
        if kind not in {"aws_rek_video", "aws_rek", "manual"} or (kind == "manual" and one != kind):
            raise bad(f"Moderation {one[:200]} moderation is not valid")
        if kind != "manual":
            try:
                Policy.parse(one, default_taxonomy=account.default_taxonomy)
            except errors.PolicyError as exc:
                raise bad(str(exc)) from exc
    if len(set(map(kind_of, asked))) < len(asked):
        raise bad("Moderation parameter names a kind twice")
    return asked


def urls(text: str | None) -> tuple[str, ...]:
    """Return the URLs that a parameter names, each once; raises Refusal for too many."""
    found = tuple(dict.fromkeys((text or "").replace(",", " ").split()))
    if len(found) > MAX_NOTIFICATION_URLS:
        raise bad(f"notification_url names more than {MAX_NOTIFICATION_URLS} URLs")
    return found


def kind_of(parameter: str) -> Kind:
    """Return who judges by this moderation parameter."""
    return Kind.MANUAL if parameter == Kind.MANUAL else Kind.AWS_REK_VIDEO


def requests(
    asset: Asset, moderation: Sequence[str], notification_urls: Sequence[str], *, now: datetime
) -> list[Request]:
    """Return the moderations that the asset is to have: the first begins, each other waits for the one before."""
    if moderation and asset.resource_type is not ResourceType.VIDEO and tuple(moderation) != ("manual",):
        raise bad(f"Moderation {moderation[0]} moderation is not valid for {asset.resource_type}")
    common = {"chain": ids.new_id() if len(moderation) > 1 else None, "notification_urls": notification_urls}
    return [
        _request(asset, parameter, first=position == 0, now=now, chain_position=position, **common)
        for position, parameter in enumerate(moderation)
    ]


def _request(asset: Asset, parameter: str, *, first: bool, now: datetime, **common: Any) -> Request:
    kind = kind_of(parameter)
    review = first and kind is Kind.MANUAL
    return Request(
        id=ids.new_id(),
        account_id=asset.account_id,
        asset_id=asset.id,
        kind=kind,
        policy=parameter,
        source=str(asset.location),
        idempotency_key=None,
        priority=0,
        stage=Stage.REVIEW if review else Stage.INTAKE,
        status=Status.PENDING if first else Status.QUEUED,
        due_at=now if first and not review else None,
        asset_version=asset.version,
        **common,
    )


def written(value: Any) -> str | list[str]:
    """Return an option's value as a form says it."""
    if isinstance(value, list):
        return [str(one) for one in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "|".join(f"{_plain(key)}={_plain(str(text))}" for key, text in value.items())
    return str(value)


def pairs(text: str | None) -> dict[str, str]:
    """Return the key-value pairs of ``a=b|c=d``, in which a backslash takes what follows it as it is."""
    found: dict[str, str] = {}
    for part in re.findall(r"(?:[^|\\]|\\.)+", text or "", re.DOTALL):
        key, equals, value = _split(part)
        if equals and key:
            found[key] = value
    return found


def _split(part: str) -> tuple[str, str, str]:
    key, plain = "", False
    for place, character in enumerate(part):
        if plain or character not in "\\=":
            key, plain = key + character, False
        elif character == "\\":
            plain = True
        else:
            return key.strip(), "=", re.sub(r"\\(.)", r"\1", part[place + 1 :], flags=re.DOTALL)
    return key.strip(), "", ""


def _merged(form: Parameters, preset: Preset | None, *, signed: bool) -> Parameters:
    """Return the form with what a preset says: signed, the request wins; unsigned, the preset does."""
    if preset is None:
        return form
    options = {name: written(value) for name, value in preset.options.items() if value is not None}
    both = {**options, **form.values} if signed else {**form.values, **options}
    if preset.options.get("disallow_public_id"):
        both.pop("public_id", None)
        both["unique_filename"] = "true"
    for name, separator in (("tags", ","), ("context", "|")):
        texts = [text for source in (options, form.values) if (text := Parameters(values=dict(source)).text(name))]
        if texts:
            both[name] = separator.join(texts)
    return Parameters(values=both, file=form.file)


def _plain(text: str) -> str:
    return re.sub(r"([\\|=])", r"\\\1", text)


def _formats(named: Sequence[str]) -> frozenset[str]:
    return frozenset(_format(one) for one in named if one.strip())


def _format(name: str) -> str:
    """Return a format by the one name that it has here."""
    plain = name.strip().lower().removeprefix(".")
    return {"jpeg": "jpg", "jpe": "jpg", "qt": "mov"}.get(plain, plain)


def _full_name(form: Parameters) -> str:
    return form.text("filename_override") or form.text("filename") or (form.file.name if form.file else "")


def _filename(form: Parameters) -> str:
    given = _full_name(form)
    return (given.rsplit(".", 1)[0] if "." in given[1:] else given)[: naming.LONGEST_PUBLIC_ID] or "file"


def _public_id(form: Parameters, filename: str) -> str:
    given = form.text("public_id")
    folder = (form.text("folder") or form.text("public_id_prefix") or "").strip("/")
    if given is None:
        given = _made_up(form, filename)
    # The Python SDK repeats the whole id, with its folder, from the second chunk on.
    named = given if not folder or given.startswith(f"{folder}/") else f"{folder}/{given}"
    return naming.check(named)


def _made_up(form: Parameters, filename: str) -> str:
    if not form.flag("use_filename"):
        return naming.made_up()
    base = naming.FORBIDDEN.sub("_", filename).strip(" /").replace(" ", "_") or "file"
    if not form.flag("unique_filename", default=True):
        return base
    return f"{base}_{''.join(random.SystemRandom().choices(string.ascii_letters + string.digits, k=6))}"


def require_unsigned(form: Parameters) -> None:
    """Raise Refusal for a parameter that only a preset may say."""
    if beyond := sorted(form.values.keys() - UNSIGNED):
        raise Refusal(400, f"{beyond[0]} parameter is not allowed when using unsigned upload")
