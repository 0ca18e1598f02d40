"""The policy lab: what a policy means for every category, and what it would have decided; nothing is changed by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from clipwarden import errors, simulating, taxonomy
from clipwarden.moderation import Account
from clipwarden.policy import Policy
from clipwarden.rules import Rule, default_rule
from clipwarden.simulating import Limits, Simulated
from clipwarden.store import accounts, assets, cursor
from clipwarden.store.engine import read
from clipwarden.store.past import Search
from clipwarden.taxonomy import Taxonomy
from clipwarden_api.console.turned import Turned
from clipwarden_api.console.visit import Visit
from clipwarden_api.simulating import SECONDS, alone

#: How many past moderations may be looked at, the first unless asked otherwise.
_LASTS = (10_000, 1_000, 100_000)
_DEFAULT = "aws_rek_video"
#: Characters of a moderation parameter that are looked at.
_LONGEST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form says."""

    moderation: str
    account: Account
    accounts: list[Account]  #: That this person may see.
    taxonomy: Taxonomy
    changed: bool  #: Whether only what differs from the default is shown.
    last: int

    @property
    def given(self) -> dict[str, str]:
        """Return it as an address has it."""
        named = {"moderation": self.moderation, "account": self.account.name, "taxonomy": self.taxonomy.version}
        return named | {"last": str(self.last)} | ({"changed": "1"} if self.changed else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A category, what it is judged by, and the categories below it that are shown."""

    rule: Rule
    differs: bool  #: From what holds without any policy.
    below: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Why a moderation parameter cannot be read, and where."""

    before: str
    part: str
    after: str
    message: str
    suggestions: tuple[str, ...]


def show(visit: Visit) -> Response:
    """Show every category's threshold and where it comes from."""
    asked = _asked(visit)
    policy, wrong = _read(asked)
    return visit.page("lab.html", asked=asked, policy=policy, wrong=wrong, **_explained(asked, policy), simulated=None)


def simulate(visit: Visit) -> Response:
    """Show what the policy would have decided about the account's last moderations."""
    asked = _asked(visit)
    policy, wrong = _read(asked)
    simulated = _simulated(visit, asked) if policy is not None else None
    names = _names(visit, simulated) if simulated is not None else {}
    shown = _explained(asked, policy) | {"simulated": simulated, "names": names}
    template = "_simulated.html" if visit.fragment else "lab.html"
    return visit.page(template, asked=asked, policy=policy, wrong=wrong, **shown)


def _asked(visit: Visit) -> Asked:
    with read(visit.services.engine) as conn:
        seen = [one for one in accounts.every(conn) if visit.user.sees(one.id)]
    if not seen:
        raise Turned(404, "There is no account whose policies you may see.")
    wanted = visit.asked.text("account")
    account = next((one for one in seen if wanted in (None, one.name)), None)
    if account is None:
        raise Turned(404, "There is no such account, or it is not yours to see.")
    version = visit.asked.text("taxonomy") or "7.0"
    chosen = next((one for one in taxonomy.TAXONOMIES if one.version == version), None)
    last = visit.asked.text("last") or str(_LASTS[0])
    if chosen is None or last not in map(str, _LASTS):
        raise Turned(422, "The form on this page has no such choice.")
    return Asked(
        moderation=(visit.asked.text("moderation") or _DEFAULT).strip()[:_LONGEST],
        account=account,
        accounts=seen,
        taxonomy=chosen,
        changed=visit.asked.flag("changed"),
        last=int(last),
    )


def _read(asked: Asked) -> tuple[Policy | None, Wrong | None]:
    try:
        return Policy.parse(asked.moderation, default_taxonomy=asked.account.default_taxonomy), None
    except errors.PolicyError as exc:
        end = exc.position + len(exc.part)
        return None, Wrong(
            before=asked.moderation[: exc.position],
            part=asked.moderation[exc.position : end],
            after=asked.moderation[end:],
            message=str(exc),
            suggestions=exc.suggestions,
        )


def _explained(asked: Asked, policy: Policy | None) -> dict[str, Any]:
    if policy is None:
        return {"tree": (), "counts": {}}
    rules = policy.explain(asked.taxonomy.version)
    counts = {
        "ignored": sum(rule.ignored for rule in rules),
        "set": sum(rule.source == rule.category for rule in rules),
        "inherited": sum(rule.source not in (None, rule.category) for rule in rules),
        "default": sum(rule.source is None for rule in rules),
    }
    tree = _below(asked, {rule.category.path: rule for rule in rules}, ())
    return {"tree": tree, "counts": counts}


def _below(asked: Asked, rules: Mapping[taxonomy.Path, Rule], path: taxonomy.Path) -> tuple[Node, ...]:
    found = []
    for rule in rules.values():
        if rule.category.path[:-1] != path:
            continue
        below = _below(asked, rules, rule.category.path)
        differs = rule.threshold != default_rule(rule.category).threshold
        if differs or below or not asked.changed:
            found.append(Node(rule=rule, differs=differs, below=below))
    return tuple(found)


def _simulated(visit: Visit, asked: Asked) -> Simulated:
    after = visit.asked.text("after")
    if after is not None:
        try:
            cursor.decode(after)
        except errors.Conflict as exc:
            raise Turned(422, "These moderations are not there. Simulate anew.") from exc
    services = visit.services
    with alone(services):
        return simulating.simulate(
            services.engine,
            services.media,
            asked.moderation,
            Search(account_id=asked.account.id),
            bucket=services.settings.media.bucket,
            limits=Limits(last=asked.last, seconds=SECONDS),
            after=after,
        )


def _names(visit: Visit, simulated: Simulated) -> dict[str, str]:
    """Return the names of the videos whose verdicts would change, by the ids of their assets."""
    with read(visit.services.engine) as conn:
        return assets.names(conn, {case.asset_id for case in simulated.found.flips})
