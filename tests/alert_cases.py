"""What Prometheus has scraped when each alert fires, and when it does not."""

from dataclasses import dataclass, field

#: What Prometheus has scraped, by the series; in promtool's notation.
Scraped = dict[str, str]

LOOKED = 'clipwarden_loop_look_timestamp_seconds{instance="w1",loop="dispatcher"}'
ROUTE = 'route="/v1_1/{cloud}/resources"'
RECEIVED = 'clipwarden_aws_calls_total{instance="w1",operation="ReceiveMessage"'
START = 'clipwarden_aws_calls_total{operation="StartContentModeration"'


@dataclass(frozen=True, kw_only=True)
class Case:
    """When an alert fires, and when it does not."""

    fires: Scraped | None = None
    quiet: Scraped | None = None
    severity: str = "ticket"
    minutes: int = 40  #: After how many it is looked at.
    every: str = "1m"  #: How often there is a value.
    labels: dict[str, str] = field(default_factory=dict)  #: What it is about.
    says: str = ""  #: Its description, where it is the only one of its name that fires.
    about: str = ""  #: What is special about this case.


def _judged(total: str, in_time: str) -> Scraped:
    return {
        "clipwarden_judging_delay_seconds_count": total,
        'clipwarden_judging_delay_seconds_bucket{le="60.0"}': in_time,
    }


def _attempted(total: str, in_time: str) -> Scraped:
    return {
        "clipwarden_delivery_wait_seconds_count": total,
        'clipwarden_delivery_wait_seconds_bucket{le="60.0"}': in_time,
    }


def _answered(good: str, bad: str) -> Scraped:
    return {
        f'clipwarden_http_requests_total{{{ROUTE},status="200"}}': good,
        f'clipwarden_http_requests_total{{{ROUTE},status="500"}}': bad,
        # Neither who asks for our health nor who hangs up counts.
        'clipwarden_http_requests_total{route="/healthz",status="500"}': "0+100x4500",
        f'clipwarden_http_requests_total{{{ROUTE},status="none"}}': "0+100x4500",
    }


def _timed(total: str, in_time: str) -> Scraped:
    upload = 'route="/v1_1/{cloud}/{resource_type}/upload"'
    return {
        f"clipwarden_http_request_seconds_count{{{ROUTE}}}": total,
        f'clipwarden_http_request_seconds_bucket{{{ROUTE},le="0.5"}}': in_time,
        # Uploads take as long as they take.
        f"clipwarden_http_request_seconds_count{{{upload}}}": "0+100x4500",
        f'clipwarden_http_request_seconds_bucket{{{upload},le="0.5"}}': "0+0x4500",
    }


#: Minutes.
DAY = 24 * 60
THREE_DAYS = 3 * DAY


#: Minutes after which a fast burn wakes somebody, and a ticket does not yet wait for the morning.
SOON = 12

#: Minutes after which the window of six hours is full.
SIX_HOURS = 7 * 60

#: Alerts that burn a budget, their objective, and what is said of three hundredths, or thousandths, that are missed.
BURNING = [
    ("ClipwardenVerdictsLate", "verdict", "3% of the verdicts missed their minute."),
    ("ClipwardenCallbacksLate", "callback", "3% of the callbacks waited for more than a minute."),
    ("ClipwardenGatewayErrors", "availability", "0.3% of the answers were faults of the gateway's own."),
    ("ClipwardenGatewaySlow", "latency", "3% of the answers took more than half a second."),
]


def _burned(slo: str, *, budgets: float, minutes: int = THREE_DAYS) -> Scraped:
    """Return what there is, a value every four minutes, where so many times the budget is missed for that long."""
    if slo == "availability":  # Its misses are never absent, so there is no room for made ones.
        missed = f"0+{budgets}x{minutes // 4} {budgets * (minutes // 4)}x1200"
        return _answered(f"0+{1000 - budgets}x1200", missed)
    return {
        f'clipwarden:slo_events:rate5m{{slo="{slo}"}}': "100x1200",
        f'clipwarden:slo_misses:rate5m{{slo="{slo}"}}': f"{budgets}x{minutes // 4} 0x1200",
    }


def _slow_burns(alert: str, slo: str, says: str) -> list[tuple[str, Case]]:
    """Return the cases of budgets that burn for days, and for hours."""
    days = Case(
        about="days",
        labels={"slo": slo},
        # All three of them take promtool its time.
        minutes=THREE_DAYS if slo == "verdict" else DAY,
        every="4m",
        says=says,
        fires=_burned(slo, budgets=3),
        quiet=_burned(slo, budgets=0.9),
    )
    # Less than the fourteenfold that wakes somebody within an hour.
    hours = Case(
        about="six hours",
        labels={"slo": slo},
        severity="page",
        minutes=SIX_HOURS,
        every="4m",
        fires=_burned(slo, budgets=8),
        quiet=_burned(slo, budgets=5),
    )
    over = Case(
        about="six hours, but no more",
        severity="page",
        minutes=SIX_HOURS,
        every="4m",
        quiet=_burned(slo, budgets=8, minutes=SIX_HOURS - 40),
    )
    return [(alert, days), (alert, hours), (alert, over)]


CASES: list[tuple[str, Case]] = [
    (
        "ClipwardenVerdictsLate",
        Case(
            labels={"slo": "verdict"},
            severity="page",
            minutes=SOON,
            says="50% of the verdicts missed their minute.",
            fires=_judged("0+10x90", "0+5x90"),
            quiet=_judged("0+1000x90", "0+995x90"),
        ),
    ),
    (
        "ClipwardenVerdictsLate",
        # A single late one of a quiet installation is half of its verdicts, but wakes nobody.
        Case(about="a single one", severity="page", quiet=_judged("0x20 2x60", "0x20 1x60")),
    ),
    (
        "ClipwardenCallbacksLate",
        Case(
            labels={"slo": "callback"},
            severity="page",
            minutes=SOON,
            says="50% of the callbacks waited for more than a minute.",
            fires=_attempted("0+10x90", "0+5x90"),
            quiet=_attempted("0+1000x90", "0+995x90"),
        ),
    ),
    (
        "ClipwardenGatewayErrors",
        Case(
            labels={"slo": "availability"},
            severity="page",
            minutes=SOON,
            says="10% of the answers were faults of the gateway's own.",
            fires=_answered("0+90x90", "0+10x90"),
            quiet=_answered("0+10000x90", "0+5x90"),
        ),
    ),
    (
        "ClipwardenGatewaySlow",
        Case(
            labels={"slo": "latency"},
            severity="page",
            minutes=SOON,
            says="50% of the answers took more than half a second.",
            fires=_timed("0+10x90", "0+5x90"),
            quiet=_timed("0+1000x90", "0+995x90"),
        ),
    ),
    (
        "ClipwardenModerationTooOld",
        Case(
            severity="page",
            says="The oldest one was accepted 4h 33m 20s ago.",
            fires={"clipwarden_oldest_pending_seconds": "14000+60x90"},
            quiet={"clipwarden_oldest_pending_seconds": "9000+60x90"},
        ),
    ),
    (
        "ClipwardenModerationsAborted",
        Case(
            says="20% of the moderations of the last hour were aborted.",
            fires={
                'clipwarden_moderations_total{status="approved"}': "0+4x90",
                'clipwarden_moderations_total{status="aborted"}': "0+1x90",
            },
            quiet={
                'clipwarden_moderations_total{status="approved"}': "0+40x90",
                'clipwarden_moderations_total{status="aborted"}': "0+1x90",
            },
        ),
    ),
    (
        "ClipwardenModerationsAborted",
        Case(
            about="all at once, and then none",
            fires={
                'clipwarden_moderations_total{status="approved"}': "0+1x90",
                'clipwarden_moderations_total{status="aborted"}': "0x10 9x80",
            },
        ),
    ),
    (
        "ClipwardenCallbacksGivenUp",
        Case(
            minutes=100,
            says="2 callbacks of the last hour are attempted no more.",
            fires={'clipwarden_deliveries{stage="failed"}': "7x80 9x40"},
            quiet={'clipwarden_deliveries{stage="failed"}': "7x120"},
        ),
    ),
    (
        "ClipwardenCallbacksGivenUp",
        Case(about="a Prometheus that has just begun", quiet={'clipwarden_deliveries{stage="failed"}': "_x30 7x90"}),
    ),
    (
        "ClipwardenCallbacksGivenUp",
        Case(about="a gap an hour ago", minutes=100, quiet={'clipwarden_deliveries{stage="failed"}': "7x30 _x20 7x90"}),
    ),
    (
        "ClipwardenCallbacksGivenUp",
        Case(
            about="after others were sent again, as two supervisors see it",
            minutes=100,
            fires={
                'clipwarden_deliveries{instance="w1",stage="failed"}': "7x60 0x10 2x60",
                'clipwarden_deliveries{instance="w2",stage="failed"}': "7x61 0x10 2x60",
            },
            quiet={
                'clipwarden_deliveries{instance="w1",stage="failed"}': "7x99 0x60",
                'clipwarden_deliveries{instance="w2",stage="failed"}': "7x100 0x60",
            },
        ),
    ),
    (
        "ClipwardenNoWorkers",
        Case(
            severity="page",
            says="Nothing is moderated and nobody is called back; uploads are still accepted.",
            fires={"up": "0x90"},
            quiet={LOOKED: "0+60x90"},
        ),
    ),
    (
        "ClipwardenNoGateway",
        # Workers know the metric too, and have no room at all.
        Case(
            severity="page",
            says="Uploads and calls of the API are not answered.",
            fires={'clipwarden_upload_places{instance="w1"}': "0x90"},
            quiet={'clipwarden_upload_places{instance="g1"}': "20x90"},
        ),
    ),
    (
        "ClipwardenDispatcherStuck",
        Case(
            severity="page",
            labels={"instance": "w1"},
            says="w1 has not looked for 40m 0s.",
            fires={LOOKED: "0x90"},
            quiet={LOOKED: "0+60x90"},
        ),
    ),
    (
        "ClipwardenProcessesRestart",
        Case(
            severity="ticket",
            labels={"instance": "w1", "reason": "stuck"},
            says="w1 has started processes anew 3.75 times in 15 minutes: stuck.",
            fires={'clipwarden_process_restarts_total{instance="w1",reason="stuck"}': "0+0.25x90"},
            quiet={'clipwarden_process_restarts_total{instance="w1",reason="stuck"}': "0x30 2x60"},
        ),
    ),
    (
        "ClipwardenDatabaseUnreachable",
        Case(
            severity="page",
            says="Nothing moves until the database is back; nothing is lost.",
            fires={LOOKED: "0+60x90"},
            quiet={LOOKED: "0+60x90", "clipwarden_oldest_pending_seconds": "0x90"},
        ),
    ),
    (
        "ClipwardenRedisUnreachable",
        Case(
            severity="page",
            says="Nothing moves until Redis is back; nothing that was accepted is lost.",
            fires={LOOKED: "0+60x90"},
            quiet={LOOKED: "0+60x90", 'clipwarden_bus_messages{queue="intake",state="dead"}': "0x90"},
        ),
    ),
    (
        "ClipwardenStageStuck",
        Case(
            labels={"stage": "judging"},
            says="The oldest moderation in judging has not moved for 40m 0s.",
            fires={'clipwarden_oldest_seconds{stage="judging"}': "0+60x90"},
            # A queue may be long, and reviewers have time.
            quiet={'clipwarden_oldest_seconds{stage="queued"}': "0+60x90"},
        ),
    ),
    (
        "ClipwardenAwsFailing",
        Case(
            labels={"operation": "StartContentModeration"},
            says="50% of the calls of StartContentModeration fail.",
            fires={
                START + ',outcome="ok"}': "0+1x90",
                START + ',outcome="AccessDeniedException"}': "0+1x90",
            },
            # That others use the quota is no failure.
            quiet={
                START + ',outcome="ok"}': "0+1x90",
                START + ',outcome="LimitExceededException"}': "0+9x90",
            },
        ),
    ),
    (
        "ClipwardenAwsFailing",
        Case(
            about="hardly any calls",
            minutes=33,
            quiet={
                START + ',outcome="ok"}': "0x20 1x70",
                START + ',outcome="InternalServerError"}': "0x20 1x5 2x70",
            },
        ),
    ),
    (
        "ClipwardenAwsFailing",
        Case(
            about="single videos",
            quiet={
                START + ',outcome="ok"}': "0+1x90",
                START + ',outcome="InvalidS3ObjectException"}': "0+1x90",
                START + ',outcome="VideoTooLargeException"}': "0+1x90",
            },
        ),
    ),
    (
        "ClipwardenS3Failing",
        Case(
            labels={"operation": "PutObject"},
            says="100% of the calls of PutObject fail.",
            fires={
                'clipwarden_aws_calls_total{operation="GetObject",outcome="ok"}': "0+9x90",
                'clipwarden_aws_calls_total{operation="PutObject",outcome="AccessDenied"}': "0+1x90",
            },
            # That an object is not there is an answer; and Rekognition has an alert of its own.
            quiet={
                'clipwarden_aws_calls_total{operation="GetObject",outcome="NoSuchKey"}': "0+9x90",
                'clipwarden_aws_calls_total{operation="HeadObject",outcome="404"}': "0+9x90",
                START + ',outcome="AccessDeniedException"}': "0+9x90",
            },
        ),
    ),
    (
        "ClipwardenSqsFailing",
        Case(
            minutes=60,
            labels={"instance": "w1"},
            says="In every ten minutes of the last half hour, reading has failed at w1.",
            fires={
                # One queue works, and one is tried again every five minutes.
                RECEIVED + ',outcome="ok"}': "0+9x90",
                RECEIVED + ',outcome="AccessDenied"}': "1x4 2x4 3x4 4x4 5x4 6x4 7x4 8x4 9x4 10x4 11x4 12x4 13x4",
            },
            quiet={
                RECEIVED + ',outcome="ok"}': "0+9x90",
                RECEIVED + ',outcome="ReadTimeoutError"}': "1x4 2x4 3x4 4x4 5x90",
            },
        ),
    ),
    (
        "ClipwardenSqsFailing",
        Case(
            about="a reader that breaks",
            minutes=60,
            labels={"instance": "w1"},
            fires={'clipwarden_s3_events_total{instance="w1",outcome="bug"}': "0x9 0+1x90"},
            # One that breaks on a message gets it a few times, before it is put aside.
            quiet={'clipwarden_hints_total{instance="w1",outcome="bug"}': "0x9 0+1x10 10x90"},
        ),
    ),
    (
        "ClipwardenStepsFailing",
        Case(
            labels={"actor": "collect", "code": "configuration"},
            says="40% of the turns of collect end in configuration.",
            fires={
                'clipwarden_faults_total{actor="collect",code="configuration"}': "0+2x90",
                'clipwarden_actor_seconds_count{actor="collect",outcome="configuration"}': "0+2x90",
                'clipwarden_actor_seconds_count{actor="collect",outcome="ok"}': "0+3x90",
            },
            quiet={
                'clipwarden_faults_total{actor="collect",code="configuration"}': "0+2x90",
                'clipwarden_actor_seconds_count{actor="collect",outcome="configuration"}': "0+2x90",
                'clipwarden_actor_seconds_count{actor="collect",outcome="ok"}': "0+30x90",
            },
        ),
    ),
    (
        "ClipwardenStepsFailing",
        Case(
            about="a few",
            quiet={
                'clipwarden_faults_total{actor="probe",code="media_unavailable"}': "0x10 1 2 3 5x90",
                'clipwarden_actor_seconds_count{actor="probe",outcome="media_unavailable"}': "0x10 1 2 3 5x90",
            },
        ),
    ),
    (
        "ClipwardenSlotsTakenByOthers",
        Case(
            minutes=75,
            labels={"pool": "eu"},
            says="Less than half of the slots of eu are left: 9.",
            fires={'clipwarden_slots{pool="eu"}': "20x120", 'clipwarden_slots_limit{pool="eu"}': "9x120"},
            quiet={'clipwarden_slots{pool="eu"}': "20x120", 'clipwarden_slots_limit{pool="eu"}': "10x120"},
        ),
    ),
    (
        "ClipwardenSlotsIdle",
        Case(
            labels={"pool": "eu"},
            says="eu uses 15% of its slots.",
            fires={
                'clipwarden_slots_in_use{pool="eu"}': "3x90",
                'clipwarden_slots_limit{pool="eu"}': "20x90",
                'clipwarden_slots_waiting{pool="eu"}': "50x90",
                # Another pool that is busy hides nothing.
                'clipwarden_slots_in_use{pool="us"}': "20x90",
                'clipwarden_slots_limit{pool="us"}': "20x90",
                'clipwarden_slots_waiting{pool="us"}': "50x90",
            },
            quiet={
                'clipwarden_slots_in_use{pool="eu"}': "3x90",
                'clipwarden_slots_limit{pool="eu"}': "20x90",
                # What is queued may wait for its account's cap, or for another pool, whose slots are taken.
                'clipwarden_moderations{stage="queued"}': "50x90",
                'clipwarden_slots_waiting{pool="eu"}': "0x90",
                'clipwarden_slots_in_use{pool="us"}': "20x90",
                'clipwarden_slots_limit{pool="us"}': "20x90",
                'clipwarden_slots_waiting{pool="us"}': "50x90",
            },
        ),
    ),
    (
        "ClipwardenDeadLetters",
        Case(
            labels={"queue": "intake"},
            says="1 dead letters are in intake.",
            fires={'clipwarden_bus_messages{queue="intake",state="dead"}': "1x90"},
            quiet={'clipwarden_bus_messages{queue="intake",state="unacknowledged"}': "1x90"},
        ),
    ),
    (
        "ClipwardenEndpointDisabled",
        Case(
            minutes=100,
            says="1 endpoints of the last hour are called no more.",
            fires={'clipwarden_endpoints{state="disabled"}': "1x80 2x40"},
            quiet={'clipwarden_endpoints{state="disabled"}': "1x120"},
        ),
    ),
    (
        "ClipwardenEndpointDisabled",
        Case(about="a Prometheus that has just begun", quiet={'clipwarden_endpoints{state="disabled"}': "_x30 1x90"}),
    ),
    (
        "ClipwardenEndpointDisabled",
        Case(
            about="a gap an hour ago", minutes=100, quiet={'clipwarden_endpoints{state="disabled"}': "1x30 _x20 1x90"}
        ),
    ),
    (
        "ClipwardenUploadsCrowded",
        Case(
            says="100% of the memory for uploads is in use.",
            fires={"clipwarden_upload_places": "20x90", "clipwarden_upload_places_taken": "20x90"},
            quiet={"clipwarden_upload_places": "20x90", "clipwarden_upload_places_taken": "10x90"},
        ),
    ),
    *(case for burning in BURNING for case in _slow_burns(*burning)),
]
