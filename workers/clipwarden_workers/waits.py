"""How long messages wait until a worker takes them: what tells that there are too few workers."""

import time

import dramatiq
from dramatiq.broker import MessageProxy

from clipwarden import metrics


class Waits(dramatiq.Middleware):
    """Tells of every message how long ago it was sent, as it is taken; of one that is retried, nothing."""

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:  # noqa: ARG002
        """Look at the clock."""
        if not message.options.get("retries"):
            # Whoever sent it may have another clock.
            waited = max(0.0, time.time() - message.message_timestamp / 1000)
            metrics.MESSAGE_WAIT.labels(message.queue_name).observe(waited)
