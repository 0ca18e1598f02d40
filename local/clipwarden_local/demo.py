"""Moderate videos with the whole stack on this machine, and explain every verdict.

Without files, the sample videos are moderated. The exit code is 0 only if every file came to a verdict.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from cloudinary import uploader
from cloudinary.exceptions import BadRequest
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from clipwarden import errors
from clipwarden.cli import output
from clipwarden.client import Client
from clipwarden.moderation import Moderation, Stage, Status
from clipwarden.policy import Policy
from clipwarden.settings import Settings
from clipwarden.store import accounts, endpoints
from clipwarden.store.engine import create_engine, write
from clipwarden_local import explanation, listen
from clipwarden_local.receiver import Received, Receiver
from clipwarden_local.stack import Options, Stack

#: How far a moderation has come, out of ten.
_PROGRESS = {
    Stage.INTAKE: 1,
    Stage.QUEUED: 2,
    Stage.STARTING: 3,
    Stage.ANALYSING: 4,
    Stage.COLLECTING: 8,
    Stage.JUDGING: 9,
    Stage.DECIDED: 10,
}
_VERDICTS = (Status.APPROVED, Status.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file on its way."""

    file: Path
    id: str | None  #: The moderation's; ``None`` where the gateway refused the file.
    task: TaskID
    refusal: str | None = None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="videos (default: the samples)")
    parser.add_argument("--moderation", default="aws_rek_video", metavar="POLICY", help="default: %(default)s")
    parser.add_argument("--timeout", type=float, default=600, metavar="S", help="seconds to wait; default 600")


def run(arguments: argparse.Namespace) -> int:
    """Start the stack, moderate, and show what came out."""
    Policy.parse(arguments.moderation)
    videos: list[Path] = arguments.files or samples()
    if missing := [str(path) for path in videos if not path.is_file()]:
        raise errors.SourceRefused(f"no such file: {', '.join(missing)}")
    console = Console(stderr=arguments.json)
    results = _moderate(videos, arguments.moderation, arguments.timeout, console)
    if arguments.json:
        output.show_json(results)
    else:
        explanation.show(console, results)
    well = all(result["status"] in _VERDICTS and result["callback_verified"] for result in results)
    return 0 if well else 1


def samples() -> list[Path]:
    """Return the sample videos that come with clipwarden."""
    folder = Path(str(files("clipwarden_local"))) / "samples"
    return [folder / "wine.mp4", folder / "bigbuckbunny.mp4"]


def _moderate(videos: Sequence[Path], policy: str, timeout: float, console: Console) -> list[dict[str, Any]]:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="clipwarden-demo-")))
        stack = Stack(Options(data=folder, log_level="error"), report=lambda _: None)
        with console.status("starting Redis, a Rekognition-compatible endpoint and a worker …"):
            running.enter_context(stack)
        settings = stack.settings()
        database = settings.database.url.get_secret_value()
        client = running.enter_context(Client(stack.redis_url, database_url=database))
        progress = running.enter_context(_progress(console))
        receiver = running.enter_context(_receiver(stack, settings, progress.console))
        cases = [_upload(stack, progress, file, policy, receiver.url) for file in videos]
        _follow(stack, client, progress, cases, timeout)
        return [_refused(case) if case.id is None else _result(case, client.get(case.id), receiver) for case in cases]


def _receiver(stack: Stack, settings: Settings, console: Console) -> Receiver:
    """Return what takes the callbacks and prints a line for each, as `clipwarden listen` does."""
    engine = create_engine(settings.database)
    with write(engine) as conn:
        account = accounts.by_name(conn, stack.options.account)
        assert account is not None  # noqa: S101 # the stack has made it
        webhook_secret, *_ = endpoints.secrets_for(conn, account, "", now=datetime.now(UTC))
    engine.dispose()

    def on_received(callback: Received) -> None:
        console.print(f"[dim]{escape(listen.headline(listen.told(callback)))}[/]")

    return Receiver(secret=stack.secrets().api_secret, webhook_secret=webhook_secret, on_received=on_received)


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[stage]}"),
        TimeElapsedColumn(),
        console=console,
    )


def _upload(stack: Stack, progress: Progress, file: Path, policy: str, notification_url: str) -> Case:
    """Upload a file as a program would that was written for Cloudinary."""
    kept = stack.secrets()
    task = progress.add_task(file.name, total=10, stage="uploading")
    upload: Any = uploader.upload  # The SDK has no types.
    cloud = {"cloud_name": stack.options.account, "upload_prefix": stack.gateway_url}
    key = {"api_key": kept.api_key, "api_secret": kept.api_secret}
    wanted = {
        "resource_type": "video",
        "moderation": policy,
        "notification_url": notification_url,
        "use_filename": True,
    }
    try:
        answer = upload(str(file), **wanted, **cloud, **key)
    except BadRequest as exc:
        progress.update(task, completed=10, stage="refused")
        return Case(file=file, id=None, task=task, refusal=str(exc))
    return Case(file=file, id=answer["moderation"][0]["id"], task=task)


def _follow(stack: Stack, client: Client, progress: Progress, cases: Sequence[Case], timeout: float) -> None:
    """Show how the cases come on, until all have ended and told so."""
    end = time.monotonic() + timeout
    waiting = [case for case in cases if case.id is not None]
    while waiting:
        if time.monotonic() > end:
            raise errors.AnalysisUnavailable(f"not done after {timeout:.0f} s; --timeout allows more")
        stack.supervisor.tend()
        for case in list(waiting):
            if (moderation := _seen(client, case)) is None:
                continue
            stage = moderation.stage if moderation.stage is not Stage.DECIDED else moderation.status
            progress.update(case.task, completed=_PROGRESS.get(moderation.stage, 0), stage=str(stage))
            if moderation.stage is Stage.DECIDED:
                waiting.remove(case)
        time.sleep(0.1)


def _seen(client: Client, case: Case) -> Moderation | None:
    try:
        return client.get(case.id or "")
    except errors.NotFound:
        return None  # The message is still on its way.


def _refused(case: Case) -> dict[str, Any]:
    """Return what came of a file that the gateway did not take."""
    nothing = dict.fromkeys(("id", "model_version", "labels", "policy"))
    said = {"file": case.file.name, "status": "refused", "error_code": "refused", "error_reason": case.refusal}
    return {**nothing, **said, "reasons": [], "maxima": [], "callback_verified": False}


def _result(case: Case, moderation: Moderation, receiver: Receiver) -> dict[str, Any]:
    callback = receiver.wait_for(moderation.id, within=20)
    return {
        "file": case.file.name,
        "id": moderation.id,
        "status": moderation.status,
        "policy": moderation.policy,
        "model_version": moderation.model_version,
        "labels": moderation.label_count,
        "reasons": (moderation.verdict or {}).get("reasons", []),
        "maxima": (moderation.verdict or {}).get("maxima", []),
        "error_code": moderation.error_code,
        "error_reason": moderation.error_reason,
        "callback_verified": bool(callback.verified and callback.webhook_verified),
    }
