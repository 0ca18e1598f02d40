"""Reading Dramatiq's JSON around a message as far as its threads rely on it."""

from typing import Any

from dramatiq import DecodeError, Message
from dramatiq.broker import MessageProxy


def claimed_id(queue_name: str, data: bytes | None) -> str | None:
    """Return the id under which a message says Redis keeps it, or ``None`` for one that would break a consumer.

    Dramatiq looks a message's consumer up by ``queue_name``, its actor by ``actor_name``, and acknowledges it by
    ``options.redis_message_id``: where one of them is wrong, a thread dies or the message can never be acknowledged.
    """
    if data is None:
        return None
    try:
        message: Message[object] = Message.decode(data)
    except DecodeError:
        return None
    if not readable(queue_name, message):
        return None
    claimed = message.options.get("redis_message_id")
    return claimed if isinstance(claimed, str) else None


def readable(queue_name: str, message: "Message[Any] | MessageProxy") -> bool:
    """Say whether a consumer of the queue can work with a message."""
    texts = (message.actor_name, message.message_id)
    if message.queue_name != queue_name or not all(isinstance(text, str) for text in texts):
        return False
    return isinstance(message.options, dict) and isinstance(message.kwargs, dict)
