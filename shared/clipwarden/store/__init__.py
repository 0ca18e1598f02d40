"""The database: everything clipwarden must not forget, as SQL on SQLite and PostgreSQL."""
