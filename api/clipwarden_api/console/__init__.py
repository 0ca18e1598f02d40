"""The review console: pages below ``/console`` on which people see what was judged, and decide."""
