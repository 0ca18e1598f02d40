"""The references of all commands and errors, made from what they say of themselves.

``python -m clipwarden.cli.manual commands`` prints one, and ``errors`` the other.
"""

import argparse
import importlib.metadata
import re
import sys
from collections.abc import Iterator

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.cli.main import GROUP

_COMMANDS = """# Commands

`clipwarden COMMAND --help` says the same in a terminal. Every command takes `--json`: it then prints JSON for programs,
errors included. Exit codes are 0 for success, 1 for a failure that is explained, 2 for a wrong use. Settings come from
the environment: [the reference](settings.md). Errors have stable codes: [the list](errors.md).
"""


_ERRORS = """# Errors

The stable codes that stand in `moderation_error.code` of callbacks, `error_code` of the JSON API, `--json` of commands,
logs and metrics. The text beside a code is for people, and may change.

| code | when | trying again |
|---|---|---|
"""
#: What ends a moderation without anything having gone wrong.
_ENDED = {
    "cancelled": "When somebody has cancelled the moderation.",
    "rejected_before": "When another moderation of the chain has rejected the asset.",
    "erased": "When the video is being erased.",
}


def commands() -> str:
    """Return the page about commands, as Markdown."""
    entries = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name)
    return "\n".join([_COMMANDS, *(line for entry in entries for line in _command(entry))])


def codes() -> str:
    """Return the page about errors, as Markdown."""
    rows = {one.code: _error(one) for one in _classes(errors.ClipwardenError)}
    rows |= {code: f"| `{code}` | {when} | |" for code, when in _ENDED.items()}
    return _ERRORS + "".join(f"{rows[code]}\n" for code in sorted(rows))


def _classes(root: type[errors.ClipwardenError]) -> Iterator[type[errors.ClipwardenError]]:
    for one in root.__subclasses__():
        if one.__module__ == errors.__name__:  # Others have the code of one of these.
            yield one
            yield from _classes(one)


def _error(one: type[errors.ClipwardenError]) -> str:
    when = " ".join((one.__doc__ or "").split()).removeprefix("Raised w").replace("``", "`")
    again = "may help" if issubclass(one, errors.TransientError) else "changes nothing"
    return f"| `{one.code}` | W{when} | {again} |"


def _command(entry: importlib.metadata.EntryPoint) -> Iterator[str]:
    module: output.Command = entry.load()
    parser = argparse.ArgumentParser(prog=f"clipwarden {entry.name}")
    module.configure(parser)
    yield f"## clipwarden {entry.name}\n"
    yield f"{(module.__doc__ or '').strip()}\n"
    yield from _table(parser)
    for name, summary, action in _actions(parser):
        yield f"### clipwarden {entry.name} {name}\n"
        yield f"{summary[:1].upper()}{summary[1:]}.\n"
        yield from _table(action)


def _actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield the name, the summary and the parser of each action that the command has."""
    for action in parser._actions:  # noqa: SLF001 # argparse has no other way to ask what was declared
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            summaries = {one.dest: one.help or "" for one in action._choices_actions}  # noqa: SLF001
            yield from ((name, summaries[name], one) for name, one in action.choices.items())


def _table(parser: argparse.ArgumentParser) -> list[str]:
    rows = [_row(action) for action in parser._actions if _is_listed(action)]  # noqa: SLF001
    return ["| argument | meaning |\n|---|---|", *rows, ""] if rows else []


def _is_listed(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._SubParsersAction) and _is_told(action)  # noqa: SLF001


def _is_told(action: argparse.Action) -> bool:
    return action.dest not in ("help", "json") and action.help is not argparse.SUPPRESS


def _row(action: argparse.Action) -> str:
    values = vars(action) | {"choices": ", ".join(map(str, action.choices or ()))}
    meaning = (action.help or "") % values
    if action.choices is not None and not all(str(one) in meaning for one in action.choices):
        said = f"one of {', '.join(f'`{one}`' for one in action.choices)}"
        meaning = f"{meaning}; {said}" if meaning else said
    return f"| {_called(action)} | {_escaped(meaning)} |".replace("|  |", "| |")


def _called(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        plural = "…" if action.nargs in ("*", "+") else ""
        called = f"`{name}`{plural}"
        return f"[{called}]" if action.nargs in ("?", "*") else called
    value = "" if action.nargs == 0 else f" {name}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def _escaped(text: str) -> str:
    return re.sub(r"\|", r"\\|", text)


if __name__ == "__main__":
    output.say({"commands": commands, "errors": codes}[sys.argv[1]]().rstrip())
