"""Reading Dramatiq's JSON around a message as far as its threads rely on it."""

from dramatiq import DecodeError, Message


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
    texts = (message.actor_name, message.message_id)
    if message.queue_name != queue_name or not all(isinstance(text, str) for text in texts):
        return None
    if not isinstance(message.options, dict) or not isinstance(message.kwargs, dict):
        return None
    claimed = message.options.get("redis_message_id")
    return claimed if isinstance(claimed, str) else None
