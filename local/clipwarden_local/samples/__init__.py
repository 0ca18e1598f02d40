"""Sample videos, and how they were made; see ``ATTRIBUTION.md``."""
