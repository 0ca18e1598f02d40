"""Run the HTTP gateway, which Cloudinary's SDKs upload to and ask about assets."""

import argparse

import uvicorn

from clipwarden import logs
from clipwarden.settings import LogFormat, Settings
from clipwarden_api import app
from clipwarden_api.services import Services, build

log = logs.logger(__name__)

#: Seconds that requests get to end after SIGTERM.
_DRAIN = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen at")
    parser.add_argument("--port", type=int, metavar="N", help="port to listen at")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    settings = Settings()
    form = {"format": LogFormat.JSON} if arguments.json else {}
    logs.configure(settings.log.model_copy(update=form))
    services = build(settings)
    try:
        server = serving(services, host=arguments.host, port=arguments.port)
        log.info("gateway started", host=server.config.host, port=server.config.port)
        server.run()
    finally:
        services.close()
    return 0


def serving(services: Services, *, host: str | None = None, port: int | None = None) -> uvicorn.Server:
    """Return the server of the gateway, not yet running."""
    settings = services.settings.api
    return uvicorn.Server(
        uvicorn.Config(
            app.build(services),
            host=host or settings.host,
            port=settings.port if port is None else port,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_DRAIN,
        )
    )
