"""The console in a real browser, over the whole way of a case, and how every page looks."""

import re
from typing import Any

import cloudinary.uploader
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from clipwarden.people import Role
from clipwarden.store import schema
from clipwarden.store.engine import write
from clipwarden_local.analysis.scripted import Script, ScriptedLabel
from clipwarden_local.demo import samples
from fixtures.browser import Tab
from fixtures.console import PASSWORD, present, user
from fixtures.gateway import Gateway
from overheard import RUN
from sdk import VIDEO, bytes_at
from waiting import eventually

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

CLIENT_SECRET = "a client's secret: with + and %"
#: What the script sees in the wine: from second 1 to 4, and a little of something else.
SEEN = Script(
    labels=(
        *(
            ScriptedLabel(at=at, path=("Alcohol", "Alcoholic Beverages"), confidence=70 + at / 200)
            for at in range(1000, 4001, 500)
        ),
        ScriptedLabel(at=2000, path=("Rude Gestures", "Middle Finger"), confidence=22.5),
        ScriptedLabel(at=4000, path=("Rude Gestures", "Middle Finger"), confidence=34.5),
    ),
)


@pytest.fixture
def pipeline_settings(pipeline_settings: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    # Nobody presses a button this late: time is made to pass where it is to.
    # Nothing answers there; the page has the button all the same.
    provider = {"issuer": "http://127.0.0.1:9", "client_id": "clipwarden", "label": "Shop ID"}
    provider["client_secret"] = CLIENT_SECRET
    RUN.note("OIDC client's secret", CLIENT_SECRET)
    return pipeline_settings | {"console": {"undo": 600}, "oidc": provider}


def uploaded(gateway: Gateway, public_id: str, script: Script, **options: Any) -> dict[str, Any]:
    gateway.pipeline.endpoint.tell(script)
    upload: Any = cloudinary.uploader.upload
    usual = {"notification_url": gateway.pipeline.receiver.url, "moderation": "aws_rek_video:min_confidence:0.1"}
    made: dict[str, Any] = upload(str(samples()[0]), public_id=public_id, **VIDEO, **gateway.cloud, **usual | options)
    if "manual" not in options.values():
        gateway.pipeline.decided(made["moderation"][0]["id"])
    return made


def let_time_pass(gateway: Gateway) -> None:
    """Let every grace period end now."""
    now = gateway.services.clock.now()
    with write(gateway.services.engine) as conn:
        conn.execute(sa.update(schema.deliveries).where(schema.deliveries.c.due_at > now).values(due_at=now))
        conn.execute(sa.update(schema.endpoint_states).values(due_at=now))


def told(gateway: Gateway) -> list[str]:
    """Return the verdicts that callbacks have told of, the first first."""
    said = (one.payload.get("moderation_status") for one in gateway.pipeline.receiver.received)
    return [status for status in said if status in ("approved", "rejected")]


def sign_in(gateway: Gateway, tab: Tab, role: Role = Role.ADMIN) -> None:
    user(gateway.services.engine, role=role)
    tab.page.goto(f"{gateway.url}/console/")
    tab.page.get_by_label("Name").fill("ana")
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("heading", name="Queue")).to_be_visible()


def test_a_rejected_video_is_looked_at_approved_undone_and_approved(gateway: Gateway, tab: Tab) -> None:
    made = uploaded(gateway, "wine tasting", SEEN)
    id, url = made["moderation"][0]["id"], made["secure_url"]
    eventually(lambda: bytes_at(url, gateway) is None)
    eventually(lambda: told(gateway) == ["rejected"])
    page = tab.page
    sign_in(gateway, tab)

    page.keyboard.press("n")
    heading = page.get_by_role("heading", name="wine tasting")
    expect(heading).to_be_focused()
    video = page.locator("video")
    page.get_by_role("button", name="Alcoholic Beverages, 0:01 to 0:04, 90 percent, over the limit").click()
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    assert video.evaluate("video => [video.currentTime, video.muted, getComputedStyle(video).filter]") == [
        0.5,
        True,
        "blur(18px) grayscale(1)",
    ]
    page.keyboard.press("]")
    expect(page.get_by_role("button", name="Middle Finger, 0:02 to 0:02, 22 percent")).to_be_focused()
    page.keyboard.press("u")
    assert video.evaluate("video => getComputedStyle(video).filter") == "none"
    page.get_by_label("If every limit were").fill("95")
    expect(page.get_by_text("Approved: nothing exceeds it.")).to_be_visible()

    page.get_by_label("Note for the team").fill("a grape juice")
    expect(page.get_by_label("Note for the team")).to_have_value("a grape juice")
    assert present(gateway.services, id).decisions == 1  # No key acts while somebody types.
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").filter(has_text="was approved")).to_be_visible()
    assert present(gateway.services, id).decided_by == "human:ana"
    page.keyboard.press("z")
    expect(page.get_by_role("status").filter(has_text="is as it was before")).to_be_visible()
    assert present(gateway.services, id).decided_by == "policy"
    page.keyboard.press("a")
    expect(page.get_by_role("status").filter(has_text="was approved")).to_be_visible()

    eventually(lambda: bytes_at(url, gateway) == samples()[0].read_bytes())
    assert told(gateway) == ["rejected"]
    let_time_pass(gateway)
    eventually(lambda: told(gateway) == ["rejected", "approved"])
    # The bytes are moved thrice in a moment, and may be gone as the player comes for them.
    assert [one for one in tab.complaints if "/download?" not in one] == []


def test_counters_follow_what_others_do(gateway: Gateway, tab: Tab) -> None:
    sign_in(gateway, tab)
    expect(tab.page.get_by_role("link", name="0 All none")).to_be_visible()
    uploaded(gateway, "wine tasting", SEEN)
    expect(tab.page.get_by_role("link", name="1 Rejected")).to_be_visible()
    live = tab.page.get_by_role("button", name="Live")
    live.click()
    expect(live).to_have_attribute("aria-pressed", "false")
    uploaded(gateway, "summer holiday", Script())
    live.click()
    expect(tab.page.get_by_role("link", name="1 Approved")).to_be_visible()
    assert tab.complaints == []


def test_nothing_is_wrong_with_any_page_in_light_or_dark(gateway: Gateway, tab: Tab) -> None:
    page, faults = tab.page, []
    page.goto(f"{gateway.url}/console/")
    faults += tab.look("sign-in")
    page.get_by_role("link", name="Sign in with Shop ID").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached right now")
    faults += tab.look("sign-in-unreachable")
    for public_id, script, options in (
        ("summer holiday", Script(), {}),
        ("wine tasting", SEEN, {"tags": "food,evening"}),
        ("broken", Script(failure="the stream ended early"), {}),
        ("a portrait", Script(), {"moderation": "manual"}),
    ):
        made = uploaded(gateway, public_id, script, **options)
    sign_in(gateway, tab)
    assert page.locator(".poster img").count() == 4
    faults += tab.look("queue")
    for name, case in (("case-rejected", "wine tasting"), ("case-aborted", "broken"), ("case-waiting", "a portrait")):
        page.goto(f"{gateway.url}/console/")
        page.get_by_role("link", name=case).click()
        expect(page.get_by_role("heading", name=case)).to_be_visible()
        page.wait_for_function("() => document.querySelector('video').readyState >= 2")
        faults += tab.look(name)
    page.keyboard.press("?")
    faults += tab.look("keys")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("r")
    expect(page.get_by_role("status").filter(has_text="was rejected")).to_be_visible()
    faults += tab.look("next")
    for path in (
        "settings",
        "help",
        "audit",
        "?status=pending",
        "cases/none",
        "policy?moderation=aws_rek_video:alcohl",
    ):
        page.goto(f"{gateway.url}/console/{path}")
        faults += tab.look(re.sub(r"\W+", "-", path).strip("-"))
    faults += many_at_once(gateway, tab)
    faults += operations(gateway, tab)
    faults += lab(tab)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{gateway.url}/console/cases/{made['moderation'][0].get('id', '')}")
    faults += tab.look("phone")
    assert sorted(set(faults)) == []
    assert [one for one in tab.complaints if "404" not in one and "502" not in one] == []


def many_at_once(gateway: Gateway, tab: Tab) -> list[str]:
    """Look at what is done about many at once."""
    page, faults = tab.page, []
    page.goto(f"{gateway.url}/console/?status=rejected")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Keep this queue as").fill("To look at")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.get_by_role("link", name="To look at")).to_be_visible()
    faults += tab.look("queue-kept")
    page.get_by_role("link", name="All of these").click()
    faults += tab.look("bulk")
    page.get_by_label("Type 2 to confirm").fill("2")
    page.get_by_role("button", name="Begin").click()
    faults += tab.look("job")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled by ana")).to_be_visible()
    page.get_by_role("link", name="Bulk jobs", exact=True).click()
    faults += tab.look("jobs")
    return faults


def operations(gateway: Gateway, tab: Tab) -> list[str]:
    """Look at what operators see."""
    page, faults = tab.page, []
    page.get_by_role("link", name="Operations").click()
    expect(page.get_by_role("row", name="✓ there")).to_be_visible()
    faults += tab.look("operations")
    page.get_by_role("link", name="Callbacks").click()
    faults += tab.look("callbacks")
    page.get_by_role("row").nth(1).get_by_role("link").click()
    faults += tab.look("callback")
    page.goto(f"{gateway.url}/console/operations/deliveries/replay?stage=delivered")
    faults += tab.look("replay")
    return faults


def lab(tab: Tab) -> list[str]:
    """Look at the policy lab."""
    page, faults = tab.page, []
    page.get_by_role("link", name="Policy lab").click()
    page.get_by_label("Moderation parameter").fill("aws_rek_video:alcohol:0.95:rude_gestures:ignore")
    page.get_by_role("button", name="Simulate").click()
    expect(page.get_by_text("1 rejected would be")).to_be_visible()
    page.get_by_role("button", name="Explain").click()
    page.get_by_role("button", name="Simulate").click()
    expect(page.get_by_text("1 rejected would be")).to_be_visible()
    faults += tab.look("policy")
    return faults
