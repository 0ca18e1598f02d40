"""The command ``clipwarden``: its core; every package brings its own commands."""
