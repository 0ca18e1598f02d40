"""Run the whole stack on this machine until ctrl-C; starting again resumes unfinished work."""

import argparse
from pathlib import Path

from clipwarden.cli import output
from clipwarden.processes import stop_on_signals
from clipwarden_local import seeds
from clipwarden_local.stack import Options, Stack

#: What a person pastes into a shell to see the gateway work.
_UPLOAD = """\
export CLOUDINARY_URL='{}'
python -c 'from cloudinary.uploader import upload
print(upload("video.mp4", resource_type="video", moderation="aws_rek_video"))'
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--data", type=Path, default=Path(".clipwarden"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8080, metavar="N", help="of the gateway; default 8080")
    parser.add_argument("--metrics-port", type=int, default=9191, metavar="N", help="of /metrics; default 9191")
    parser.add_argument("--account", default="default", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--api-key", metavar="KEY", help="the account's key (default: made up once and kept)")
    parser.add_argument("--api-secret", metavar="SECRET", help="the account's secret (default: made up once and kept)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="worker processes; default 1")
    parser.add_argument("--no-samples", action="store_true", help="bring in no sample videos at the first start")
    parser.add_argument("--analyser", choices=("frames", "scripted"), default="frames", help="default: real frames")


def run(arguments: argparse.Namespace) -> int:
    """Start, say how to reach it, and wait for the end."""
    stop = stop_on_signals()
    options = Options(
        data=arguments.data,
        port=arguments.port,
        metrics_port=arguments.metrics_port,
        account=arguments.account,
        api_key=arguments.api_key,
        api_secret=arguments.api_secret,
        processes=arguments.processes,
        analyser=arguments.analyser,
    )
    with Stack(options, report=lambda text: None if arguments.json else output.say(text)) as stack:
        sown = 0 if arguments.no_samples else seeds.sow(stack)
        _introduce(stack, sown, as_json=arguments.json)
        stack.supervisor.watch(stop)
        if not arguments.json:
            output.say("stopping; unfinished work resumes at the next start")
    return 0


def _introduce(stack: Stack, sown: int, *, as_json: bool) -> None:
    kept = stack.secrets()
    facts = {
        "gateway": stack.gateway_url,
        "console": stack.console_url(),
        "redis": stack.redis_url,
        "rekognition": stack.endpoint_url,
        "metrics": stack.metrics_url,
        "data": str(stack.options.data.absolute()),
        "account": stack.options.account,
        "api_key": kept.api_key,
        "api_secret": kept.api_secret,
        "cloudinary_url": stack.cloudinary_url,
    }
    environment = {name: value for name, value in stack.environment().items() if "LOG" not in name}
    if as_json:
        output.show_json(facts | {"environment": environment})
        return
    output.say("\nclipwarden is up.\n")
    output.show_fields(facts)
    if "/welcome/" in str(facts["console"]):
        output.say("\nOpen the console's link in a browser to choose a password, once, for the user `admin`.")
    if sown:
        output.say(f"\n{sown} sample videos are being moderated, so that the console has something to show.")
    output.say("\nUpload with Cloudinary's SDK, unchanged:\n")
    for line in _UPLOAD.format(stack.cloudinary_url).splitlines():
        output.say(f"  {line}")
    output.say("\nTo use it from another terminal, for `clipwarden enqueue`, `list`, `status` and `override`:\n")
    for name, value in environment.items():
        output.say(f"  export {name}='{value}'")
    output.say("\nctrl-C stops it.")
