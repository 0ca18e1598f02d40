"""Write the dashboards: from the overview to a pool, to an account, to callbacks, each under one heading a question.

``python deploy/grafana/build.py [FOLDER]`` writes into ``deploy/grafana/dashboards`` unless told otherwise. Gauges that
every worker reads from the same database are aggregated with ``max``; what each process counts, with ``sum``.
"""

import sys
from pathlib import Path

from panels import Dashboard, Panel, Row

FOLDER = Path(__file__).parent / "dashboards"


def rate(metric: str, by: str, where: str = "") -> str:
    """Return how often something happens in a second."""
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """Return within how many seconds a share of something was done."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share:g}, sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval])))"


def _spread(metric: str, where: str = "") -> dict[str, str]:
    return {f"{share:.0%}": quantile(share, metric, where=where) for share in (0.5, 0.95, 0.99)}


OVERVIEW = Dashboard(
    uid="clipwarden-overview",
    title="clipwarden: overview",
    rows=[
        Row(
            title="Are promises kept?",
            panels=[
                Panel(
                    title="Budget burnt in three days",
                    asks={"{{slo}}": "clipwarden:slo_misses:ratio_rate3d / clipwarden:slo_budget:ratio"},
                    unit="percentunit",
                    kind="stat",
                    width=12,
                    limits=(0.5, 1),
                    says="The share of misses beside the share that an objective allows for; 100 % spends it all.",
                ),
                Panel(
                    title="Oldest without a verdict",
                    asks={"age": "max(clipwarden_oldest_pending_seconds)"},
                    unit="s",
                    kind="stat",
                    width=6,
                    limits=(3600, 4 * 3600),
                ),
                Panel(
                    title="Longest without a step",
                    asks={"oldest": "clipwarden:runnable_oldest:seconds"},
                    says="Of what waits for neither slot nor job nor human.",
                    unit="s",
                    kind="stat",
                    width=6,
                    limits=(60, 900),
                ),
            ],
        ),
        Row(
            title="What comes in, what comes out?",
            panels=[
                Panel(title="Moderations", asks={"{{stage}}": "max by (stage) (clipwarden_moderations)"}, stacked=True),
                Panel(
                    title="Longest in a stage",
                    asks={"{{stage}}": 'max by (stage) (clipwarden_oldest_seconds{stage!="review"})'},
                    unit="s",
                ),
                Panel(
                    title="Verdicts",
                    asks={"{{status}}: {{decided_by}}": rate("clipwarden_moderations_total", "status, decided_by")},
                    unit="ops",
                    stacked=True,
                ),
                Panel(title="From acceptance to verdict", asks=_spread("clipwarden_verdict_delay_seconds"), unit="s"),
                Panel(
                    title="From a job's end to its verdict",
                    asks=_spread("clipwarden_judging_delay_seconds"),
                    unit="s",
                ),
                Panel(
                    title="Rejected for",
                    asks={"{{category}}": rate("clipwarden_rejection_reasons_total", "category")},
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    title="Decided otherwise by humans",
                    asks={
                        "{{was}} → {{became}}": "sum by (was, became) (increase("
                        'clipwarden_overrides_total{was=~"approved|rejected"}[1h]))'
                    },
                    says="A measure of the model and of the policies.",
                ),
                Panel(
                    title="Rejections taken back, by category",
                    asks={
                        "{{category}}": "sum by (category) (increase(clipwarden_taken_back_reasons_total[1d]))"
                        " / sum by (category) (increase(clipwarden_rejection_reasons_total[1d]))"
                    },
                    unit="percentunit",
                    says="What humans took back in a day, as a share of what was rejected for the same in that day.",
                ),
            ],
        ),
        Row(
            title="How do workers fare?",
            panels=[
                Panel(
                    title="Work waits for a worker: 90 % at most",
                    asks={"{{queue}}": quantile(0.9, "clipwarden_message_wait_seconds", "queue")},
                    unit="s",
                    says="More than a second or two for long: add workers.",
                ),
                Panel(
                    title="Turns of actors",
                    asks={"{{actor}}": rate("clipwarden_actor_seconds_count", "actor")},
                    unit="ops",
                ),
                Panel(
                    title="Turns that went wrong",
                    asks={
                        "{{actor}}: {{outcome}}": rate(
                            "clipwarden_actor_seconds_count", "actor, outcome", '{outcome!="ok"}'
                        )
                    },
                    unit="ops",
                ),
                Panel(
                    title="Turns: 95 % within",
                    asks={"{{actor}}": quantile(0.95, "clipwarden_actor_seconds", "actor")},
                    unit="s",
                ),
                Panel(
                    title="Database and bus are reached",
                    asks={"{{instance}}: {{what}}": "min by (instance, what) (clipwarden_reachable)"},
                    says="1, or 0 where a worker's supervisor cannot read the figures of either.",
                ),
                Panel(
                    title="Messages in Redis",
                    asks={"{{queue}}: {{state}}": "max by (queue, state) (clipwarden_bus_messages)"},
                ),
                Panel(
                    title="Faults that led to a retry",
                    asks={"{{actor}}: {{code}}": rate("clipwarden_faults_total", "actor, code")},
                    unit="ops",
                ),
                Panel(
                    title="Messages sent, found overdue, without effect",
                    asks={
                        "sent: {{actor}}": rate("clipwarden_messages_sent_total", "actor"),
                        "overdue: {{actor}}": rate("clipwarden_overdue_total", "actor"),
                        "without effect: {{actor}}": rate("clipwarden_fenced_total", "actor"),
                    },
                    unit="ops",
                ),
                Panel(
                    title="Since a dispatcher looked",
                    asks={"{{instance}}": "time() - min by (instance) (clipwarden_loop_look_timestamp_seconds)"},
                    unit="s",
                ),
                Panel(
                    title="Since a dispatcher began",
                    asks={"{{instance}}": "time() - min by (instance) (clipwarden_loop_begin_timestamp_seconds)"},
                    unit="s",
                ),
                Panel(
                    title="Processes started anew in an hour",
                    asks={
                        "{{instance}}: {{reason}}": (
                            "sum by (instance, reason) (increase(clipwarden_process_restarts_total[1h]))"
                        )
                    },
                    says="Of workers and gateways, as they had ended or were stuck.",
                ),
                Panel(
                    title="Calls to AWS",
                    asks={"{{operation}}: {{outcome}}": rate("clipwarden_aws_calls_total", "operation, outcome")},
                    unit="ops",
                    says="Of workers and gateways; a pool's page has more on Rekognition's.",
                ),
                Panel(
                    title="Events of S3",
                    asks={"{{outcome}}": rate("clipwarden_s3_events_total", "outcome")},
                    unit="ops",
                ),
            ],
        ),
        Row(
            title="How does the gateway fare?",
            panels=[
                Panel(
                    title="Requests",
                    asks={"{{status}}": rate("clipwarden_http_requests_total", "status")},
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    title="Answers: 95 % within",
                    asks={"{{route}}": quantile(0.95, "clipwarden_http_request_seconds", "route")},
                    unit="s",
                ),
                Panel(
                    title="Room for uploads",
                    asks={
                        "taken": "sum(clipwarden_upload_places_taken)",
                        "there": "sum(clipwarden_upload_places)",
                    },
                ),
                Panel(
                    title="Since an event loop went round",
                    asks={"{{instance}}": "time() - min by (instance) (clipwarden_gateway_beat_timestamp_seconds)"},
                    unit="s",
                ),
                Panel(
                    title="Coming in",
                    asks={"bytes": "sum(rate(clipwarden_uploaded_bytes_total[$__rate_interval]))"},
                    unit="Bps",
                ),
            ],
        ),
    ],
)

_POOL = '{pool=~"$pool"}'
_REKOGNITION = '{operation=~".+ContentModeration"}'

POOL = Dashboard(
    uid="clipwarden-pool",
    title="clipwarden: pool",
    choices={"pool": "clipwarden_slots"},
    rows=[
        Row(
            title="Are the slots full?",
            panels=[
                Panel(
                    title="Slots",
                    asks={
                        "{{pool}}: in use": f"max by (pool) (clipwarden_slots_in_use{_POOL})",
                        "{{pool}}: left by others": f"max by (pool) (clipwarden_slots_limit{_POOL})",
                        "{{pool}}: granted": f"max by (pool) (clipwarden_slots{_POOL})",
                    },
                    width=12,
                ),
                Panel(
                    title="Use of what others leave",
                    asks={"{{pool}}": f"clipwarden:slots_utilisation:ratio{_POOL}"},
                    unit="percentunit",
                    width=6,
                ),
                Panel(
                    title="Waiting for a slot",
                    asks={"{{pool}}": f"max by (pool) (clipwarden_slots_waiting{_POOL})"},
                    width=6,
                    says="What the next free slots are for, up to 2000; not what its account's cap holds back.",
                ),
                Panel(
                    title="Slots filled",
                    asks={"{{pool}}": rate("clipwarden_admitted_total", "pool", _POOL)},
                    unit="ops",
                ),
                Panel(
                    title="Refused for want of a slot",
                    asks={"{{pool}}": rate("clipwarden_start_refusals_total", "pool", _POOL)},
                    unit="ops",
                ),
                Panel(
                    title="Pace of calls",
                    asks={"{{pool}}: {{call}}": f"min by (pool, call) (clipwarden_call_pace{_POOL})"},
                    unit="percentunit",
                    says="Share of a rate that is used: less than all of it after AWS found that too fast.",
                ),
                Panel(
                    title="Messages that a job has ended",
                    asks={"{{outcome}}": rate("clipwarden_hints_total", "outcome")},
                    unit="ops",
                ),
            ],
        ),
        Row(
            title="How does Rekognition fare?",
            panels=[
                Panel(
                    title="Calls",
                    asks={"{{operation}}": rate("clipwarden_aws_calls_total", "operation", _REKOGNITION)},
                    unit="ops",
                ),
                Panel(
                    title="Calls that failed",
                    asks={
                        "{{operation}}: {{outcome}}": rate(
                            "clipwarden_aws_calls_total",
                            "operation, outcome",
                            '{operation=~".+ContentModeration",outcome!="ok"}',
                        )
                    },
                    unit="ops",
                ),
                Panel(
                    title="Calls: 95 % within",
                    asks={"{{operation}}": quantile(0.95, "clipwarden_aws_call_seconds", "operation", _REKOGNITION)},
                    unit="s",
                ),
                Panel(title="Looks at a job until its end was seen", asks=_spread("clipwarden_job_looks")),
                Panel(
                    title="From a job's end until it was seen, at most",
                    asks=_spread("clipwarden_detection_delay_seconds"),
                    unit="s",
                ),
                Panel(title="Get calls for a job", asks={"all": "clipwarden:get_calls_per_job:rate1h"}),
                Panel(
                    title="Failing calls",
                    asks={"{{operation}}": "clipwarden:aws_failures:ratio_rate10m"},
                    unit="percentunit",
                ),
            ],
        ),
    ],
)

_BOTH = '{account=~"$account",pool=~"$pool"}'
_COST = f"increase(clipwarden_estimated_cost_dollars_total{_BOTH}[1h])"

ACCOUNT = Dashboard(
    uid="clipwarden-account",
    title="clipwarden: account",
    choices={"account": "clipwarden_analysed_seconds_total", "pool": "clipwarden_slots"},
    rows=[
        Row(
            title="What does it cost, and whom?",
            panels=[
                Panel(
                    title="Estimated cost of a day",
                    asks={"dollars": f"sum(increase(clipwarden_estimated_cost_dollars_total{_BOTH}[1d]))"},
                    unit="currencyUSD",
                    kind="stat",
                    says="By the price that the settings name; AWS's bill decides.",
                ),
                Panel(
                    title="Estimated cost of an hour, by account",
                    asks={"{{account}}": f"sum by (account) ({_COST})"},
                    unit="currencyUSD",
                    stacked=True,
                ),
                Panel(
                    title="Estimated cost of an hour, by pool",
                    asks={"{{pool}}": f"sum by (pool) ({_COST})"},
                    unit="currencyUSD",
                    stacked=True,
                ),
                Panel(
                    title="Video analysed in an hour",
                    asks={"{{account}}": f"sum by (account) (increase(clipwarden_analysed_seconds_total{_BOTH}[1h]))"},
                    unit="s",
                    stacked=True,
                ),
                Panel(
                    title="Jobs not paid for: the labels were there",
                    asks={"jobs": "sum(increase(clipwarden_labels_reused_total[1h]))"},
                    says="Of all accounts.",
                ),
                Panel(
                    title="Saved in an hour by labels that were there",
                    asks={
                        "{{account}}": f"sum by (account) (increase(clipwarden_saved_cost_dollars_total{_BOTH}[1h]))"
                    },
                    unit="currencyUSD",
                    stacked=True,
                ),
                Panel(
                    title="Video not analysed in an hour, as its labels were there",
                    asks={"{{account}}": f"sum by (account) (increase(clipwarden_saved_seconds_total{_BOTH}[1h]))"},
                    unit="s",
                    stacked=True,
                ),
                Panel(
                    title="Erased, and past its time",
                    asks={
                        "erased: {{scope}}": "sum by (scope) (increase(clipwarden_erased_total[1h]))",
                        "past its time: {{what}}": "sum by (what) (increase(clipwarden_forgotten_total[1h]))",
                    },
                    says="Of all accounts.",
                ),
            ],
        ),
    ],
)

DELIVERY = Dashboard(
    uid="clipwarden-delivery",
    title="clipwarden: delivery",
    rows=[
        Row(
            title="Do receivers know?",
            panels=[
                Panel(title="Callbacks", asks={"{{stage}}": "max by (stage) (clipwarden_deliveries)"}, kind="stat"),
                Panel(
                    title="Oldest that waits",
                    asks={"{{stage}}": "max by (stage) (clipwarden_delivery_oldest_seconds)"},
                    unit="s",
                ),
                Panel(
                    title="Endpoints",
                    asks={"{{state}}": "max by (state) (clipwarden_endpoints)"},
                    kind="stat",
                    says="Paused ones have failed lately; disabled ones are called no more.",
                ),
                Panel(
                    title="From an event to the first attempt",
                    asks=_spread("clipwarden_delivery_wait_seconds"),
                    unit="s",
                ),
                Panel(
                    title="From an event to its delivery", asks=_spread("clipwarden_delivery_delay_seconds"), unit="s"
                ),
                Panel(
                    title="Attempts",
                    asks={"{{outcome}}": rate("clipwarden_delivery_attempts_total", "outcome")},
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    title="Attempts: 95 % within",
                    asks={"{{outcome}}": quantile(0.95, "clipwarden_delivery_attempt_seconds", "outcome")},
                    unit="s",
                ),
                Panel(
                    title="Pauses in an hour",
                    asks={"pauses": "sum(increase(clipwarden_endpoint_pauses_total[1h]))"},
                ),
                Panel(
                    title="Disabled in an hour",
                    asks={"{{reason}}": "sum by (reason) (increase(clipwarden_endpoints_disabled_total[1h]))"},
                ),
            ],
        ),
    ],
)


def main(folder: Path) -> None:
    """Write every dashboard into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in (OVERVIEW, POOL, ACCOUNT, DELIVERY):
        (folder / f"{dashboard.uid}.json").write_text(dashboard.to_json())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
