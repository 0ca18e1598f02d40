"""How a reviewer wants to be spared: what the player hides, when to stop, and which keys there are."""

from dataclasses import asdict, dataclass
from typing import Any

from clipwarden.people import User
from clipwarden_api.console.turned import Turned
from clipwarden_api.parameters import Parameters

#: What keys do, what they are at first, and what people are told.
KEYS = {
    "approve": ("a", "Approve"),
    "reject": ("r", "Reject"),
    "undo": ("z", "Undo the last decision"),
    "next": ("n", "Take the oldest case"),
    "skip": ("s", "Skip this case"),
    "escalate": ("e", "Escalate this case"),
    "reason": ("m", "Write a note"),
    "unveil": ("u", "Show or hide the picture"),
    "sound": ("o", "Sound on or off"),
    "play": ("k", "Play or pause"),
    "back": ("j", "Five seconds back"),
    "forward": ("l", "Five seconds forward"),
    "frame": (".", "One frame on"),
    "previous-hit": ("[", "To the hit before"),
    "next-hit": ("]", "To the next hit"),
    "search": ("/", "To the search"),
    "help": ("?", "Show these keys"),
}
_MOST_BLUR, _MOST_MINUTES, _MOST_CASES = 40, 480, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wellness:
    """One person's settings."""

    blur: int = 18  #: Pixels; 0 for none.
    grey: bool = True
    muted: bool = True
    minutes: int = 50  #: Of work before a break is proposed; 0 for never.
    cases: int = 150  #: Decisions in one session before an end is proposed; 0 for never.
    keys_on: bool = True
    keys: dict[str, str]

    @property
    def veil(self) -> str:
        """Return the classes of a small picture that is hidden as the player is."""
        return " ".join(name for name, on in (("blurred", self.blur > 0), ("grey", self.grey)) if on)


def read(user: User) -> Wellness:
    """Return what a person has set."""
    kept = user.settings
    keys = {name: key for name, (key, _) in KEYS.items()} | kept.get("keys", {})
    names = Wellness.__dataclass_fields__.keys() - {"keys"}
    return Wellness(keys=keys, **{name: value for name, value in kept.items() if name in names})


def asked(form: Parameters) -> dict[str, Any]:
    """Return what a person asks for; raises Turned for what cannot be."""
    keys = {name: (form.text(f"key-{name}") or "").strip().lower() for name in KEYS}
    given = [key for key in keys.values() if key]
    if wrong := [key for key in given if len(key) != 1 or not key.isprintable()]:
        raise Turned(422, f"A key is one character, not {wrong[0][:20]}.")
    if twice := {key for key in given if given.count(key) > 1}:
        raise Turned(422, f"The key {min(twice)} is there twice.")
    return asdict(
        Wellness(
            blur=form.number("blur", default=0, least=0, most=_MOST_BLUR),
            grey=form.flag("grey"),
            muted=form.flag("muted"),
            minutes=form.number("minutes", default=0, least=0, most=_MOST_MINUTES),
            cases=form.number("cases", default=0, least=0, most=_MOST_CASES),
            keys_on=form.flag("keys_on"),
            keys=keys,
        )
    )
