"""The command line: finds the commands that the installed packages bring, and runs one.

A command is a module named in the entry-point group ``clipwarden.commands``, with a one-line docstring,
``configure(parser)`` and ``run(arguments) -> exit code``. Only the module that is asked for is imported.
"""

import argparse
import importlib.metadata
import sys
from typing import NoReturn

from clipwarden import errors
from clipwarden.cli import output

GROUP = "clipwarden.commands"


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 for success, 1 for a failure that is explained, 2 for a wrong use."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = _run(words)
    except errors.ClipwardenError as exc:
        output.complain(exc, as_json="--json" in words)
        code = 1
    except ValueError as exc:
        output.complain(_unreadable(exc), as_json="--json" in words)
        code = 1
    except BrokenPipeError:
        sys.stderr.close()  # Whoever read our output has seen enough.
        code = 0
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _unreadable(fault: ValueError) -> errors.ConfigurationError:
    """Return what is wrong with the settings, by their variables; raises any other fault again."""
    if getattr(fault, "title", None) != "Settings" or not hasattr(fault, "errors"):
        raise fault
    wrong = fault.errors(include_url=False, include_input=False)
    said = ["CLIPWARDEN_" + "__".join(map(str, one["loc"])).upper() + f": {one['msg']}" for one in wrong]
    return errors.ConfigurationError("; ".join(said).replace("CLIPWARDEN_: Value error, ", ""))


def _run(words: list[str]) -> int:
    commands = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}
    parser = argparse.ArgumentParser(prog="clipwarden", description="Moderates user-uploaded videos.")
    parser.add_argument("--version", action="version", version=importlib.metadata.version("clipwarden"))
    if not words or words[0] in ("-h", "--help"):
        return _overview(parser, commands)
    if words[0] in commands:
        module = _load(commands[words[0]])
        parser = argparse.ArgumentParser(prog=f"clipwarden {words[0]}", description=module.__doc__)
        parser.add_argument("--json", action="store_true", help="print JSON for programs instead of text for people")
        module.configure(parser)
        return int(module.run(parser.parse_args(words[1:])))
    parser.add_argument("command", choices=sorted(commands))
    parser.parse_args(words)
    return 2


def _load(entry: importlib.metadata.EntryPoint) -> "output.Command":
    try:
        command: output.Command = entry.load()
    except ModuleNotFoundError as exc:
        extra = {"clipwarden_local": "local", "clipwarden_api": "api"}.get(entry.value.split(".")[0], "workers")
        hint = f"`clipwarden {entry.name}` needs {exc.name}: pip install 'clipwarden[{extra}]'"
        raise errors.ConfigurationError(hint) from exc
    return command


def _overview(parser: argparse.ArgumentParser, commands: dict[str, importlib.metadata.EntryPoint]) -> int:
    parser.print_help()
    print("\ncommands:")  # noqa: T201 # a command line prints
    for name, entry in sorted(commands.items()):
        try:
            summary = (_load(entry).__doc__ or "").split("\n", 1)[0]
        except errors.ConfigurationError as exc:
            summary = f"({exc})"
        print(f"  {name:<10} {summary}")  # noqa: T201
    print("\n`clipwarden COMMAND --help` says more.")  # noqa: T201
    return 0
