"""Every path of the console."""

from clipwarden.people import Role
from clipwarden_api.console.routes import (
    bulk,
    case,
    decision,
    deliveries,
    lab,
    operations,
    queue,
    saved,
    settings,
    signing_in,
    trail,
)
from clipwarden_api.console.screen import Screen

_CASE = "/cases/{id}"

SCREENS = (
    Screen(method="GET", path="/sign-in", work=signing_in.ask, role=None),
    Screen(method="POST", path="/sign-in", work=signing_in.sign_in, role=None),
    Screen(method="POST", path="/sign-out", work=signing_in.sign_out),
    Screen(method="GET", path="/welcome/{token}", work=signing_in.welcome, role=None),
    Screen(method="POST", path="/welcome/{token}", work=signing_in.choose, role=None),
    Screen(method="GET", path="/", work=queue.show),
    Screen(method="GET", path="/counts", work=queue.counts),
    Screen(method="POST", path="/next", work=decision.following, role=Role.REVIEWER),
    Screen(method="GET", path=_CASE, work=case.show),
    Screen(method="POST", path=f"{_CASE}/hold", work=case.hold, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/decide", work=decision.decide, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/undo", work=decision.undo, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/skip", work=decision.skip, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/escalate", work=decision.escalate, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/retry", work=decision.retry, role=Role.REVIEWER),
    Screen(method="POST", path=f"{_CASE}/rejudge", work=decision.rejudge, role=Role.REVIEWER),
    Screen(method="POST", path="/filters", work=saved.keep),
    Screen(method="POST", path="/filters/{id}/forget", work=saved.forget),
    Screen(method="GET", path="/bulk", work=bulk.ask, role=Role.SUPERVISOR),
    Screen(method="POST", path="/bulk", work=bulk.begin, role=Role.SUPERVISOR),
    Screen(method="GET", path="/jobs", work=bulk.listing, role=Role.SUPERVISOR),
    Screen(method="GET", path="/jobs/{id}", work=bulk.show, role=Role.SUPERVISOR),
    Screen(method="POST", path="/jobs/{id}/cancel", work=bulk.cancel, role=Role.SUPERVISOR),
    Screen(method="GET", path="/policy", work=lab.show),
    Screen(method="GET", path="/policy/simulated", work=lab.simulate),
    Screen(method="GET", path="/settings", work=settings.show),
    Screen(method="POST", path="/settings", work=settings.keep),
    Screen(method="GET", path="/help", work=settings.help_page),
    Screen(method="GET", path="/audit", work=trail.show, role=Role.SUPERVISOR),
    Screen(method="GET", path="/audit.csv", work=trail.export, role=Role.SUPERVISOR),
    Screen(method="GET", path="/operations", work=operations.show, role=Role.ADMIN),
    Screen(method="POST", path="/operations/enable", work=operations.enable, role=Role.ADMIN),
    Screen(method="GET", path="/operations/deliveries", work=deliveries.listing, role=Role.ADMIN),
    Screen(method="GET", path="/operations/deliveries/replay", work=deliveries.confirm, role=Role.ADMIN),
    Screen(method="POST", path="/operations/deliveries/replay", work=deliveries.replay_found, role=Role.ADMIN),
    Screen(method="GET", path="/operations/deliveries/{id}", work=deliveries.show, role=Role.ADMIN),
    Screen(method="POST", path="/operations/deliveries/{id}/replay", work=deliveries.replay, role=Role.ADMIN),
)
