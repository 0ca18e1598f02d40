"""Cloudinary's search expressions over the library: what they say, about which fields, and as SQL."""
