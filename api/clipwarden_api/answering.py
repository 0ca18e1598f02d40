"""One gateway process: it answers what comes to the port that its supervisor has opened."""

import socket

import uvicorn

from clipwarden import tracing
from clipwarden.settings import Settings
from clipwarden_api import app
from clipwarden_api.guarded import Guarded
from clipwarden_api.server import DRAIN
from clipwarden_api.services import Services, build


def answer(settings: Settings, listener: socket.socket) -> None:
    """Answer what comes to a port that is open, until SIGTERM or SIGINT."""
    tracing.configure(settings.tracing, "clipwarden-gateway")
    services = build(settings)
    try:
        serving(services).run(sockets=[listener])
    finally:
        services.close()
        tracing.close()


def serving(services: Services, *, host: str | None = None, port: int | None = None) -> uvicorn.Server:
    """Return the server of the gateway, not yet running."""
    settings = services.settings.api
    return _Server(
        uvicorn.Config(
            app.build(services),
            host=host or settings.host,
            port=settings.port if port is None else port,
            http=Guarded,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=DRAIN,
        ),
        services,
    )


class _Server(uvicorn.Server):
    """A server that ends streams before it waits for the requests that are under way: they would never end."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is under way."""
        self._services.changes.end()
        await super().shutdown(sockets)
