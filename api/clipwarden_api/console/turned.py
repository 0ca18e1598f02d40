"""What the console answers instead of what was asked for: another page, or a refusal in plain words."""


class Turned(Exception):
    """Raised to refuse a request with a status and words for the person who made it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class SignInFirst(Exception):
    """Raised where nobody is signed in."""
