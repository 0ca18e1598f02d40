"""Where messages were sent, for the spans of what is done with them."""

import dramatiq
from dramatiq.broker import MessageProxy

from clipwarden import traceparent, tracing


class Senders(dramatiq.Middleware):
    """Keeps, while a thread works on a message, where and when it was sent."""

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Read it from the message, which anybody may have written."""
        tracing.receive(message.options.get(traceparent.NAME), message.message_timestamp / 1000)

    def after_process_message(
        self,
        broker: dramatiq.Broker,  # noqa: ARG002
        message: MessageProxy,  # noqa: ARG002
        *,
        result: object = None,  # noqa: ARG002
        exception: BaseException | None = None,  # noqa: ARG002
    ) -> None:
        """Forget it."""
        tracing.receive()
