"""Print every setting as it holds now, or the reference that documents them all; secrets are never shown."""

import argparse
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from clipwarden.cli import output
from clipwarden.settings import Group, PoolSettings, Settings

_COLUMNS = ("setting", "value", "source")
_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}"}  # mathematics
_HEAD = """# Settings

Environment variables, read once when a process starts; a file `.env` is not read. Times are in seconds and sizes in
bytes where nothing else is said; lists are separated by commas. `clipwarden settings` shows what holds on a machine,
and `deploy/settings.env` is the same list as a file to start from.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: what it is called, what it takes and what it means."""

    name: str  #: Of the environment variable.
    kind: str
    default: Any
    meaning: str
    path: tuple[str, ...]  #: Within the settings.

    def value(self, settings: Settings) -> Any:
        """Return what holds."""
        found: Any = settings
        for part in self.path:
            found = found[part] if isinstance(found, dict) else getattr(found, part)
        return found


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--reference", action="store_true", help="print the reference of all settings, as Markdown")


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    if arguments.reference:
        output.say(reference().rstrip())
        return 0
    held = Settings()
    shown = [_held(setting, held) for setting in _present(held)]
    output.show_json(shown) if arguments.json else output.show_table(shown, _COLUMNS)
    return 0


def reference() -> str:
    """Return the page that documents all settings."""
    return "\n".join([_HEAD, *_sections()])


def _sections() -> Iterator[str]:
    for group, model in _groups():
        yield f"## {_prefix(group)}…\n\n{inspect.getdoc(model)}\n"
        yield "| variable | takes | default | meaning |\n|---|---|---|---|"
        for one in _settings((group,), model):
            default = f"`{_text(one.default)}`" if _text(one.default) else ""
            yield f"| `{one.name}` | {one.kind} | {default} | {one.meaning} |".replace("|  |", "| |")
        yield ""


def _prefix(group: str) -> str:
    return f"CLIPWARDEN_{group.upper()}__" + ("NAME__" if group == "pools" else "")


def _groups() -> Iterator[tuple[str, type[Group]]]:
    for name, field in Settings.model_fields.items():
        yield name, PoolSettings if name == "pools" else type(field.default)


def _settings(path: tuple[str, ...], model: type[BaseModel]) -> Iterator[Setting]:
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from _settings((*path, name), type(field.default))
            continue
        group, *rest = (*path, name)
        yield Setting(
            name=_prefix(group) + "__".join(rest).upper(),
            kind=_kind(schema[name], field),
            default=field.default,
            meaning=field.description or "",
            path=(*path, name),
        )


def _kind(schema: dict[str, Any], field: FieldInfo) -> str:
    """Return what a value is, with its bounds."""
    found = next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)
    secret = ", secret" if "SecretStr" in str(field.annotation) else ""
    name = {"integer": "integer", "number": "number", "boolean": "`true`, `false`", "array": "list"}.get(
        found.get("type", ""), "text"
    )
    bounds = [text.format(f"{found[key]:g}") for key, text in _BOUNDS.items() if key in found]
    return " ".join([name, *bounds]) + secret


def _present(held: Settings) -> Iterator[Setting]:
    for group, model in _groups():
        if group != "pools":
            yield from _settings((group,), model)
    for pool in held.pools:
        for one in _settings(("pools",), PoolSettings):
            path = ("pools", pool, *one.path[1:])
            name = one.name.replace("__NAME__", f"__{pool.upper()}__")
            yield Setting(name=name, kind=one.kind, default=one.default, meaning=one.meaning, path=path)


def _held(setting: Setting, settings: Settings) -> dict[str, Any]:
    found = setting.value(settings)
    secret = setting.kind.endswith("secret") and bool(found)
    return {
        "setting": setting.name,
        "value": "(secret)" if secret else _text(found),
        "source": "default" if found == setting.default else "environment",
    }


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(map(_text, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={_text(one)}" for key, one in value.items())
    return f"{value:.15g}" if isinstance(value, float) else "" if value is None else str(value)
