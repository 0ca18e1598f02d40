"""The version of the installed distribution."""

import importlib.metadata
from typing import Final

VERSION: Final = importlib.metadata.version("clipwarden")

#: How clipwarden names itself to the servers it calls.
USER_AGENT: Final = f"clipwarden/{VERSION}"
