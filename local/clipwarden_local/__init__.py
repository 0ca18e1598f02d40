"""clipwarden."""
