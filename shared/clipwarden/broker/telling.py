"""Which of Dramatiq's log lines about its brokers tell an operator something."""

import logging


def worth_telling(record: logging.LogRecord) -> bool:
    """Say whether a line is worth it: two workers of one process, on queues of their own, bring a middleware each."""
    return "_WorkerMiddleware" not in record.getMessage()
