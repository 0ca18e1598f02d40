"""The client of producers: enqueue a video for moderation, and ask what became of it."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from clipwarden import errors, traceparent
from clipwarden.broker import build_broker
from clipwarden.broker.hardened import NAMESPACE
from clipwarden.message import IntakeMessage
from clipwarden.moderation import Kind, Moderation
from clipwarden.policy import Policy

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Client:
    """A producer's connection to clipwarden; one serves all threads of a process."""

    def __init__(
        self,
        redis_url: str = "redis://127.0.0.1:6379/0",
        *,
        namespace: str = NAMESPACE,
        database_url: str | None = None,
    ) -> None:
        """Contact nobody yet; ``redis_url`` may also name Sentinels or, with the extra ``rabbitmq``, RabbitMQ."""
        self._broker = build_broker(redis_url, namespace=namespace)
        self._engine = None if database_url is None else _open(database_url)

    def __enter__(self) -> Self:
        """Return the client, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._broker.close()
        if self._engine is not None:
            self._engine.dispose()

    def enqueue(
        self,
        source: str,
        *,
        moderation: str = Kind.AWS_REK_VIDEO,
        notification_url: str | None = None,
        public_id: str | None = None,
        idempotency_key: str | None = None,
        account: str = "default",
        priority: int = 0,
    ) -> str:
        """Ask for a video's moderation and return the moderation's id.

        ``source`` is an ``s3://`` or ``http(s)://`` URL; ``notification_url`` may name several, separated by commas
        or spaces. The same account and ``idempotency_key`` give the same id, and one moderation, however often.

        Raises PolicyError for a moderation parameter that cannot be read and MessageError for another field out of its
        bounds. Raises BusUnavailable when the bus did not confirm: the video may be enqueued all the same, so repeat
        the call with an idempotency key.
        """
        if moderation != Kind.MANUAL:
            Policy.parse(moderation)
        message = IntakeMessage.compose(
            source=source,
            moderation=moderation,
            notification_url=notification_url,
            public_id=public_id,
            idempotency_key=idempotency_key,
            account=account,
            priority=priority,
        )
        self._broker.enqueue(message.to_dramatiq().copy(options=traceparent.options()))
        return message.id

    def get(self, moderation_id: str) -> Moderation:
        """Return a moderation as it stands.

        Raises NotFound for an id that is unknown, which a moderation's is until a worker has taken its message;
        ConfigurationError when the client was given no database; StoreUnavailable when that cannot be reached.
        """
        if self._engine is None:
            raise errors.ConfigurationError("the client needs a database_url to read moderations")
        from clipwarden.store import moderations  # noqa: PLC0415 # a producer that only enqueues needs no SQLAlchemy
        from clipwarden.store.engine import read  # noqa: PLC0415 # the same

        with read(self._engine) as conn:
            found = moderations.by_id(conn, moderation_id)
        if found is None:
            raise errors.NotFound(f"no moderation {moderation_id}")
        return found


def _open(database_url: str) -> "Engine":
    try:
        from clipwarden.settings import DatabaseSettings  # noqa: PLC0415 # needed by those who give a database only
        from clipwarden.store.engine import create_engine  # noqa: PLC0415 # the same
    except ModuleNotFoundError as exc:
        hint = "pip install 'clipwarden[workers]'"
        raise errors.ConfigurationError(f"reading the database needs {exc.name}: {hint}") from exc
    return create_engine(DatabaseSettings.model_validate({"url": database_url}))
