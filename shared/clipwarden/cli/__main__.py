"""``python -m clipwarden.cli`` is the command ``clipwarden``."""

from clipwarden.cli.main import main

main()
