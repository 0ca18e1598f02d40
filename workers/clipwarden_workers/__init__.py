"""The Dramatiq actors that moderate, and what drives them."""
