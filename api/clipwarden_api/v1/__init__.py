"""clipwarden's own JSON API: moderations by their ids, below ``/v1``."""
