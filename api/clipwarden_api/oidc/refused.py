"""Why a provider's word is not taken."""


class Refused(Exception):
    """Raised where somebody is not let in; ``told`` is for them, the message for the log."""

    def __init__(self, message: str, *, told: str | None = None, status: int = 401) -> None:
        super().__init__(message)
        self.told = told or "The sign-in provider's answer could not be used. Try again."
        self.status = status
