"""Every path of the console."""

from clipwarden_api.console.routes import queue, signing_in
from clipwarden_api.console.screen import Screen

SCREENS = (
    Screen(method="GET", path="/sign-in", work=signing_in.ask, role=None),
    Screen(method="POST", path="/sign-in", work=signing_in.sign_in, role=None),
    Screen(method="POST", path="/sign-out", work=signing_in.sign_out),
    Screen(method="GET", path="/welcome/{token}", work=signing_in.welcome, role=None),
    Screen(method="POST", path="/welcome/{token}", work=signing_in.choose, role=None),
    Screen(method="GET", path="/", work=queue.show),
)
