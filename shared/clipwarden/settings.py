"""Every setting, its default, its bounds and its meaning; read once at an entry point and passed down.

Environment variables are ``CLIPWARDEN_`` + group + ``__`` + name, such as ``CLIPWARDEN_DATABASE__URL``;
``deploy/settings.env`` lists them all.
"""

from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from clipwarden.people import Role

Seconds = Annotated[float, Field(gt=0)]
PoolName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


def _split(separator: str) -> BeforeValidator:
    """Read a text as a list, as environment variables and command lines carry one."""

    def split(value: object) -> object:
        return [part.strip() for part in value.split(separator) if part.strip()] if isinstance(value, str) else value

    return BeforeValidator(split)


class Group(BaseModel):
    """Settings of one concern."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DatabaseSettings(Group):
    """The database: the truth."""

    url: SecretStr = SecretStr("sqlite:///clipwarden.db")
    """SQLAlchemy URL: `sqlite:///PATH` or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`."""
    replica_url: SecretStr | None = None
    """URL of a read replica of PostgreSQL, for listings and searches of the gateway; when unset, the primary's."""
    pool_size: int = Field(default=12, ge=1, le=200)
    """Connections that one process keeps open at most."""
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode, _split(",")] = ()
    """Keys that seal accounts' secrets, separated by commas, the first of which closes; for SQLite, a file has one."""

    @property
    def seals(self) -> bool:
        """Say whether accounts' secrets are sealed, rather than stored as they are."""
        return bool(self.secret_keys) or self.url.get_secret_value().startswith("sqlite")


class BusSettings(Group):
    """The bus, where it is not the Redis below."""

    url: SecretStr | None = None
    """`amqp://` or `amqps://` URL of RabbitMQ; when unset, the bus is Redis."""


class RedisSettings(Group):
    """Redis: the bus, and what gateways count together."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Redis or Sentinel URL with a database number of its own; nothing for none, beside RabbitMQ."""
    namespace: str = Field(default="{clipwarden}", pattern=r"^\{[a-z0-9_-]+\}$")
    """Prefix of all keys; the braces keep them on one slot of a Redis Cluster."""


class MediaSettings(Group):
    """Where videos, labels and quarantined bytes are kept."""

    root: Path | None = None
    """Folder that holds a sub-folder per bucket; when unset, buckets are S3's."""
    bucket: str = Field(default="clipwarden", pattern=r"^[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]$")
    """Bucket for fetched videos, labels and the quarantine."""
    region: str | None = None
    """AWS region of the bucket; when unset, the AWS environment's."""
    endpoint_url: str | None = None
    """S3 endpoint, for S3-compatible stores; when unset, AWS."""
    public_endpoint_url: str | None = None
    """The same endpoint as browsers and other programs reach it, in signed URLs; when unset, as above."""
    import_roots: Annotated[tuple[Path, ...], NoDecode, _split(":")] = ()
    """Folders below which `file://` sources may be read, separated by `:`; none by default."""
    max_bytes: int = Field(default=10 * 1024**3, ge=1)
    """Largest video, in bytes; Rekognition takes 10 GB."""
    public_url: str = "http://127.0.0.1:8080"
    """Base of the URLs under which videos are delivered, as callbacks name them."""
    url_secret: SecretStr = SecretStr("")
    """Key that signs short-lived URLs of the folder store."""


class UploadSettings(Group):
    """Uploads over HTTP, in each process that takes them."""

    memory: int = Field(default=512 * 1024**2, ge=32 * 1024**2)
    """Bytes of memory for the files of all uploads at once: 13 MiB for each, and more to send parts side by side."""
    patience: Seconds = 20.0
    """Seconds that an upload waits for memory before it is refused."""
    lanes: int = Field(default=4, ge=1, le=32)
    """Parts of one upload that are sent to the media store at once."""
    threads: int = Field(default=16, ge=1, le=256)
    """Calls to the media store that run at once."""
    fields: int = Field(default=1100, ge=10, le=100_000)
    """Fields of one request; a call about tags names up to 1000 assets."""
    fields_bytes: int = Field(default=1024**2, ge=8192)
    """Bytes of a request's body beside the file."""
    data_uri_bytes: int = Field(default=100 * 1024**2, ge=0)
    """Bytes of a file that comes as a `data:` URI, as it is written."""
    receive_timeout: Seconds = 30.0
    """Seconds within which more of a body must come."""
    least_rate: int = Field(default=16 * 1024, ge=0)
    """Bytes per second that a body must come at, else it is cut off; 0 for any."""
    rate_window: Seconds = 30.0
    """Seconds of waiting for a body over which its rate is measured."""


class QuotaSettings(Group):
    """One quota of Amazon Rekognition Video: an AWS account's in one region."""

    region: str | None = None
    """AWS region; when unset, the AWS environment's."""
    endpoint_url: str | None = None
    """Endpoint; when unset, AWS."""
    role_arn: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")
    """Role to take on for all calls: another AWS account has another quota."""
    external_id: str | None = None
    """External id that the role asks for."""
    buckets: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Buckets that Rekognition may read with this quota, separated by commas; when unset, any of its region."""
    slots: int | None = Field(default=None, ge=1, le=1000)
    """Concurrent jobs; when unset, as many as Service Quotas says, or 20 where that may not be asked."""
    reserve: int = Field(default=0, ge=0, le=999)
    """Slots of these that are left to other users of the quota."""
    start_rate: float = Field(default=5.0, gt=0, le=1000)
    """Start calls per second, over all workers; AWS grants 5."""
    get_rate: float | None = Field(default=None, gt=0, le=1000)
    """Get calls per second, over all workers; when unset, what AWS grants in the region: 20 or 5."""
    price_per_minute: float = Field(default=0.1, ge=0, le=1000)
    """Dollars that a minute of video costs; for the estimate among the metrics."""

    @model_validator(mode="after")
    def _leaves_one(self) -> Self:
        if self.slots is not None and self.reserve >= self.slots:
            raise ValueError("reserve must be less than slots, or no job would ever start")
        return self


class RekognitionSettings(QuotaSettings):
    """Amazon Rekognition Video, or an endpoint that speaks its protocol; the quota is the one of the only pool."""

    first_look: Seconds = 5.0
    """Seconds from a job's start to the first look at it, until it is known how long jobs take."""
    look_price: Seconds = 0.3
    """Seconds of an idle slot that one look is worth: more of them mean fewer looks, and ends that are found later."""
    longest_interval: Seconds = 60.0
    """Longest interval between two looks, in seconds."""
    deadline: Seconds = 6 * 3600.0
    """Seconds, added to the video's length, after which a job without an end is given up."""
    refused_wait: Seconds = 30.0
    """Seconds before a moderation that Rekognition had no slot for is tried again."""
    reuse_window: float = Field(default=30 * 86400.0, ge=0, le=10 * 365 * 86400)
    """Seconds for which an account's labels are reused for the same bytes, without a job; 0 for never."""


class CompletionSettings(Group):
    """Messages from Rekognition that a job has ended, over SNS and SQS; without them jobs are only polled."""

    topic_arn: str | None = Field(default=None, pattern=r"^arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]+:\d{12}:.+$")
    """SNS topic that Rekognition publishes to, in Rekognition's region; needs the role."""
    role_arn: str | None = Field(default=None, pattern=r"^arn:aws(-cn|-us-gov)?:iam::\d{12}:role/.+$")
    """Role that Rekognition takes on to publish to the topic."""
    queue_url: str | None = None
    """SQS queue that is subscribed to the topic; workers read it when it is set."""
    endpoint_url: str | None = None
    """SQS endpoint; when unset, AWS."""

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.topic_arn is None) != (self.role_arn is None):
            raise ValueError("topic_arn and role_arn are set together or not at all")
        return self


class PoolSettings(QuotaSettings):
    """One of several pools; workers fill them all."""

    completion: CompletionSettings = CompletionSettings()
    """Messages that this pool's jobs have ended."""


class S3PublicId(StrEnum):
    """How an asset is called that came in by an S3 event."""

    KEY = "key"  #: By its object's key.
    RANDOM = "random"  #: By a name that is made up.


class S3IntakeSettings(Group):
    """Events of S3, over SQS: videos that land in a bucket are moderated without anybody asking."""

    queue_url: str | None = None
    """SQS queue that buckets notify; workers read it when it is set."""
    endpoint_url: str | None = None
    """SQS endpoint; when unset, AWS."""
    buckets: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Buckets whose events are believed, separated by commas; when unset, the media bucket and those of the pools."""
    prefix: str = ""
    """Beginning of the keys that are moderated; others are passed over."""
    account: str = "default"
    """Account that the videos belong to."""
    preset: str | None = None
    """The account's preset whose moderation and notification URL win over the two settings below."""
    moderation: str = Field(default="aws_rek_video", min_length=1)
    """Moderation parameter."""
    notification_url: str | None = None
    """Where callbacks go; when unset, where the account says."""
    public_id: S3PublicId = S3PublicId.KEY
    """`key`: a video is called as its object is, and new bytes under a key are a new version; or `random`."""


class WorkerSettings(Group):
    """One worker process."""

    threads: int = Field(default=8, ge=1, le=256)
    """Actors that run at once."""
    lease: Seconds = 30.0
    """Seconds after which a row is looked at again if whoever took it says nothing."""
    dispatch_interval: Seconds = 0.25
    """Seconds between two looks for due rows."""
    hop_timeout_ms: int = Field(default=50, ge=1, le=10_000)
    """Longest wait of an idle consumer between two looks at its queue, in milliseconds."""
    drain: Seconds = 20.0
    """Seconds that running actors get to finish on SIGTERM."""
    fault_wait: Seconds = 2.0
    """Seconds before the first retry after a transient fault; doubles up to five minutes, with jitter."""
    max_faults: int = Field(default=30, ge=1)
    """Transient faults in a row after which a moderation is aborted."""
    stuck_after: Seconds = 60.0
    """Seconds without a look for due rows after which a process is stuck, and is restarted; `/healthz` says so, too."""
    metrics_port: int = Field(default=9191, ge=0, le=65535)
    """Port of `/metrics`, `/healthz` and `/readyz`; 0 for none."""
    metrics_host: str = "127.0.0.1"
    """Address of `/metrics`, `/healthz` and `/readyz`."""


class CallbackSettings(Group):
    """Callbacks to other services."""

    allow_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, _split(",")] = ()
    """Networks that are not public and may be called all the same, separated by commas."""
    schedule: Annotated[tuple[Seconds, ...], NoDecode, _split(",")] = (5, 60, 300, 1800, 7200, 18000, 36000, 36000)
    """Seconds between the attempts of one delivery, separated by commas."""
    jitter: float = Field(default=0.2, ge=0, lt=1)
    """Share of these seconds by which an attempt may come earlier or later."""
    connect_timeout: Seconds = 5.0
    """Seconds to connect within."""
    total_timeout: Seconds = 15.0
    """Seconds within which an attempt must end."""
    longest_retry_after: Seconds = 6 * 3600.0
    """Longest time that an endpoint's `Retry-After` is obeyed for, in seconds."""
    threads: int = Field(default=64, ge=1, le=1024)
    """Attempts that one worker process makes at once."""
    endpoint_concurrency: int = Field(default=5, ge=1, le=1000)
    """Attempts at one endpoint at once, over all workers: an account's URLs of one scheme, host and port."""
    endpoint_rate: float = Field(default=100.0, ge=0)
    """Attempts at one endpoint per second, over all workers; 0 for any."""
    endpoint_tolerance: int = Field(default=5, ge=1)
    """Failures in a row after which an endpoint is paused."""
    endpoint_pause: Seconds = 30.0
    """First pause of an endpoint that fails, in seconds; doubles until one attempt goes well."""
    endpoint_longest_pause: Seconds = 600.0
    """Longest pause of an endpoint, in seconds."""
    endpoint_patience: Seconds = 5 * 86400.0
    """Seconds of nothing but failures after which an endpoint is disabled."""
    attempts_kept: Seconds = 30 * 86400.0
    """Seconds for which the log of attempts is kept."""
    secret_overlap: Seconds = 86400.0
    """Seconds for which a secret that was replaced signs beside the new one."""
    client_certificate: Path | None = None
    """PEM file with the certificate, and its chain, by which receivers over https may know us."""
    client_key: Path | None = None
    """PEM file with the certificate's key; when unset, it is in the same file."""
    proxy: SecretStr | None = None
    """HTTP proxy for all calls to other services, such as `http://egress:4750`; it then has to guard addresses."""


#: Where proxies are that stand before a gateway.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"),
    )
)


class RetentionSettings(Group):
    """For how long things are kept; what is not named here is kept for good."""

    deliveries: Seconds = 90 * 86400.0
    """Seconds for which callbacks are kept that were delivered or given up."""
    labels: Seconds | None = None
    """Seconds from a moderation's coming in for which its labels are kept; when unset, for good. Verdicts stay."""
    rejected: Seconds | None = None
    """Seconds for which the bytes of rejected videos can be brought back; when unset, for good."""
    deleted: Seconds | None = None
    """Seconds from its deletion after which all that is kept of an asset is erased; when unset, never."""


class ApiSettings(Group):
    """The HTTP gateway."""

    host: str = "127.0.0.1"
    """Address to listen at."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen at; 0 for any that is free."""
    metrics_host: str = "127.0.0.1"
    """Address at which the gateway's `/metrics` and `/healthz` are served."""
    metrics_port: int = Field(default=9192, ge=0, le=65535)
    """Port for them; 0 serves nothing."""
    source_buckets: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Buckets of which every account may have objects moderated as `s3://BUCKET/KEY`, separated by commas."""
    calls_per_hour: int = Field(default=50_000, ge=1)
    """Calls of the Admin API that each account may make in an hour."""
    uploads_per_hour: int = Field(default=50_000, ge=1)
    """Uploads and other changes of assets that each account may make in an hour."""
    failed_logins_per_minute: int = Field(default=60, ge=0)
    """Requests with wrong credentials after which a process lets an address wait for a minute; 0 for any number."""
    trusted_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode, _split(",")] = _NOT_PUBLIC
    """Networks whose wrong credentials are not counted, separated by commas: a proxy speaks for many."""
    redirect_for: int = Field(default=0, ge=0, le=3600)
    """Seconds that a signed URL of the media store lives which viewers are sent to; 0: the gateway sends the bytes."""


class ConsoleSettings(Group):
    """The review console, which the gateway serves below `/console`."""

    enabled: bool = True
    """Whether there is one."""
    session_life: Seconds = 12 * 3600.0
    """Seconds after which a person signs in anew."""
    session_idle: Seconds = 3600.0
    """Seconds without a request after which a person signs in anew."""
    link_life: Seconds = 86400.0
    """Seconds for which a link is good that lets a person choose a password."""
    attempts: int = Field(default=5, ge=1, le=100)
    """Attempts to sign in by one name before it has to wait: a minute, then twice as long each time, up to 15."""
    address_attempts: int = Field(default=50, ge=1, le=10_000)
    """Likewise from one public address; a proxy's private one is not counted, for it speaks for many."""
    claim: Seconds = 300.0
    """Seconds for which a case is one reviewer's, from the last that was heard of the page."""
    undo: float = Field(default=30.0, ge=0, le=3600)
    """Seconds for which a decision can be undone, and its callback waits; 0 for none."""
    plain_http: bool = False
    """Whether the session's cookie also goes over http from another machine: for a network that is trusted."""


class OidcSettings(Group):
    """Signing in to the console by an OpenID Connect provider, beside passwords."""

    issuer: str | None = None
    """The provider's issuer, such as `https://id.example/realms/shop`; without one, only passwords let people in."""
    client_id: str = ""
    """What the provider knows this installation by."""
    client_secret: SecretStr | None = None
    """The secret that goes with it; none for a public client."""
    label: str = "single sign-on"
    """What the button on the sign-in page calls the provider."""
    scopes: Annotated[tuple[str, ...], NoDecode, _split(",")] = ("openid", "email", "profile")
    """Scopes that are asked for, separated by commas."""
    name_claim: str = "email"
    """The claim that is a person's name here; an e-mail address must be a verified one."""
    allowed_domains: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """Domains of verified e-mail addresses that are let in, separated by commas; none for all."""
    create: bool = False
    """Whether somebody who comes for the first time becomes a user; else `clipwarden user add` comes first."""
    role: Role = Role.READ_ONLY
    """The role of those who become users so."""
    role_claim: str = ""
    """The claim, such as `groups`, that gives people their roles each time; empty where roles are given here."""
    roles: Annotated[tuple[str, ...], NoDecode, _split(",")] = ()
    """What its values mean: `moderators=reviewer,leads=supervisor`; the highest counts, without any nobody gets in."""
    accounts_claim: str = ""
    """The claim that names the accounts whose videos people see, each time; empty where those are given here."""
    timeout: Seconds = 10.0
    """Seconds within which the provider must answer."""

    @property
    def roles_by_value(self) -> dict[str, Role]:
        """Return the roles by what gives them."""
        return {value: Role(role) for value, _, role in (pair.rpartition("=") for pair in self.roles)}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any("=" not in pair or pair.rpartition("=")[2] not in set(Role) for pair in self.roles):
            raise ValueError(f"roles are written VALUE=ROLE, and a role is one of {', '.join(Role)}")
        if self.issuer is None:
            return self
        if not self.client_id or "openid" not in self.scopes:
            raise ValueError("with an issuer, a client_id is needed, and openid among the scopes")
        if bool(self.role_claim) != bool(self.roles):
            raise ValueError("role_claim and roles go together")
        return self


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"  #: For people.
    JSON = "json"  #: For machines.


class LogSettings(Group):
    """Logs, on standard error."""

    format: LogFormat = LogFormat.CONSOLE
    """`console` or `json`."""
    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """Least level that is shown."""


class TracingSettings(Group):
    """Traces, by OpenTelemetry; needs the extra `tracing`, and `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go."""

    enabled: bool = False
    """Whether spans are made."""
    callbacks: bool = False
    """Whether callbacks carry the header `traceparent`, which tells their receivers the trace."""


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(
        env_prefix="CLIPWARDEN_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        nested_model_default_partial_update=True,
        # A secret that is wrong must not be printed with the complaint about it.
        hide_input_in_errors=True,
    )

    database: DatabaseSettings = DatabaseSettings()
    bus: BusSettings = BusSettings()
    redis: RedisSettings = RedisSettings()
    media: MediaSettings = MediaSettings()
    upload: UploadSettings = UploadSettings()
    rekognition: RekognitionSettings = RekognitionSettings()
    completion: CompletionSettings = CompletionSettings()
    pools: dict[PoolName, PoolSettings] = {}
    s3_intake: S3IntakeSettings = S3IntakeSettings()
    worker: WorkerSettings = WorkerSettings()
    callback: CallbackSettings = CallbackSettings()
    retention: RetentionSettings = RetentionSettings()
    api: ApiSettings = ApiSettings()
    console: ConsoleSettings = ConsoleSettings()
    oidc: OidcSettings = OidcSettings()
    log: LogSettings = LogSettings()
    tracing: TracingSettings = TracingSettings()

    @property
    def bus_url(self) -> str:
        """Return the URL of the bus."""
        return (self.bus.url or self.redis.url).get_secret_value()

    @property
    def counting_url(self) -> str | None:
        """Return the URL of the Redis that gateways count in together, ``None`` where there is none."""
        return self.redis.url.get_secret_value() or None

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if not self.pools:
            return self
        usual = RekognitionSettings()
        twice = any(getattr(self.rekognition, name) != getattr(usual, name) for name in QuotaSettings.model_fields)
        if twice or self.completion != CompletionSettings():
            raise ValueError("with pools, set the quota and the completion of each pool, and none beside them")
        if bare := [name for name, pool in self.pools.items() if not pool.buckets]:
            raise ValueError(f"with pools, each lists the buckets that it reads: {', '.join(bare)} lists none")
        return self
