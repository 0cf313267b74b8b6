"""The edge's settings. `CONFER_` + name in capitals, or the alias that is told."""

import re
from ipaddress import ip_network
from typing import Annotated, Final, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from confer_kit.settings import KitSettings

PORTAL_ORIGINS = (
    "https://portal.evep.my-firstcare.com,https://evep.my-firstcare.com,http://localhost:3000,http://localhost:3001"
)
_ORIGIN: Final = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+", re.IGNORECASE)


class EdgeSettings(KitSettings):
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 inside a container")
    port: int = Field(
        9014, ge=0, le=65535, validation_alias=AliasChoices("CONFER_PORT", "SOCKETIO_PORT"),
        description="port to listen on; also SOCKETIO_PORT",
    )  # fmt: skip
    metrics_port: int = Field(9101, ge=0, le=65535, description="port of /metrics; 0: none")
    workers: int = Field(
        1, ge=1, le=64,
        description="processes that share the port; with more than one: WebSocket clients only; Linux; also --workers",
    )  # fmt: skip
    route: str = Field(
        "", pattern="^[A-Za-z0-9_-]{0,32}$",
        description="what the Engine.IO ids of this edge begin with, followed by a dot, for balancers; auto: something "
        "of its own at each start; none: nothing",
    )  # fmt: skip
    transports: str = Field(
        "polling,websocket", pattern="^(polling,websocket|websocket)$",
        description="polling,websocket, or websocket: then who comes by polling is refused",
    )  # fmt: skip
    socketio_enabled: bool = Field(
        True, validation_alias=AliasChoices("CONFER_SOCKETIO_ENABLED", "SOCKETIO_ENABLED"),
        description="false: Socket.IO answers 503, the rest is served; also SOCKETIO_ENABLED",
    )  # fmt: skip
    origins: Annotated[str, NoDecode] = Field(
        PORTAL_ORIGINS, description="browser origins that may connect, separated by commas"
    )
    public_origins: Annotated[str, NoDecode] = Field(
        "", description="origins under which this edge itself is reached; none: 127.0.0.1 and localhost on its port"
    )
    identity: str = Field(
        "jwt", pattern="^(jwt|trusted-query)$",
        description="jwt (users prove themselves by a signed token), or trusted-query (believes them; local demo only)",
    )  # fmt: skip
    jwt_secret: SecretStr | None = Field(None, description="the HS256 secret of identity=jwt, 32 bytes or more")
    jwks_file: str | None = Field(None, description="in its place: a file with public keys (JWKS), re-read on change")
    jwks_url: str | None = Field(None, description="in its place: where public keys (JWKS) are fetched from")
    jwt_algorithms: str | None = Field(
        None, description="signature algorithms, separated by commas; none: HS256 with a secret, RS256,ES256,EdDSA else"
    )
    jwt_leeway_s: int = Field(0, ge=0, le=300, description="by how much the clock of who signs tokens may differ")
    jwt_issuer: str | None = Field(None, description="the `iss` that a token must have; none: not looked at")
    jwt_audience: str | None = Field(
        None, description="of these, separated by commas, a token's `aud` must have one; none: not looked at"
    )
    jwt_user_claim: str = Field("sub", min_length=1, description="the claim that is the user's id")
    jwt_name_claim: str = Field("name", min_length=1, description="the claim that is the name to show")
    jwt_role_claim: str = Field("role", min_length=1, description="the claim that is the role")
    jwt_rooms_claim: str = Field(
        "rooms", min_length=1,
        description="the claim that lists patterns of the rooms a user may be in; a token without it: all rooms",
    )  # fmt: skip
    policy_file: str | None = Field(
        None,
        description="a file with rules about who may do what where (docs/access.md), re-read on change; none: no rules",
    )
    access_check: bool = Field(
        False,
        description="true: the installation's own authoriser is asked as well, by call.access.check (docs/access.md)",
    )
    access_timeout_s: float = Field(2, gt=0, description="how long its answer may take; without one the answer is no")
    access_cache_s: float = Field(
        5, gt=0, description="how long its answer counts at most; after it memberships are asked about again"
    )
    access_cache_max: int = Field(50_000, gt=0, description="answers that an edge remembers")
    access_in_flight_max: int = Field(200, gt=0, description="questions under way; one more is refused")
    access_doubt_s: float = Field(
        30, ge=0, description="how long memberships last while the authoriser gives no answer; 0: they end at once"
    )
    admin_user: str = Field("admin", min_length=1, description="user name for the Socket.IO Admin UI")
    admin_password: SecretStr | None = Field(
        None, description="password for the Socket.IO Admin UI, 12 characters or more; none: it is off"
    )
    board_token: SecretStr | None = Field(
        None,
        description="what public displays tell at /board, 16 characters or more; none: with trusted-query everybody "
        "sees boards, with jwt nobody",
    )  # fmt: skip
    displays_max: int = Field(1000, ge=0, description="public displays of this edge")
    demo_dir: str = Field("", description="built demo portal, served at /demo/; none: not served")
    demo_watch: str = Field("", description="where the demo portal links to for traces and numbers; none: no link")
    ping_interval_s: float = Field(25, gt=0, description="Engine.IO pingInterval")
    ping_timeout_s: float = Field(20, gt=0, description="Engine.IO pingTimeout")
    handshake_s: float = Field(20, gt=0, description="a connection that has not sent CONNECT by then is closed")
    turn_away_s: float = Field(
        3, ge=0, description="how long, at most, a client waits to be told that its user has too many; it comes back"
    )
    connections_max: int = Field(20_000, gt=0, description="clients of this edge in all")
    connections_per_address_max: int = Field(
        2000, gt=0, description="clients of this edge behind one address; an IPv6 address counts by its /64"
    )
    connections_per_user_max: int = Field(50, gt=0, description="clients of this edge that are the same user")
    connects_per_address_per_s: float = Field(
        50, gt=0, description="clients of one address that may connect per second, whether or not they stay"
    )
    connects_per_address_burst: int = Field(
        4000, gt=0, description="clients of one address that may connect at once after a pause, as after a restart"
    )
    connects_per_user_per_s: float = Field(
        2, gt=0, description="times that one user may connect per second, with whatever result"
    )
    connects_per_user_burst: int = Field(200, gt=0, description="times that one user may connect at once after a pause")
    trusted_proxies: Annotated[str, NoDecode] = Field(
        "",
        description="addresses or networks of proxies whose X-Forwarded-For is believed, separated by commas",
    )
    request_s: float = Field(
        20, gt=0, description="by when an HTTP request must be there as a whole, and its answer be read"
    )
    upgrade_s: float = Field(10, gt=0, description="by when an upgrade to WebSocket that has begun must be done")
    joins_at_once: int = Field(
        32, gt=0, description="joins, and CONNECTs, that the edge works on at once; more wait in their order"
    )
    join_wait_s: float = Field(60, gt=0, description="how long a join may wait for its turn")
    events_per_s: float = Field(
        100, gt=0, description="events that one client may send per second; each further 64 KiB counts as one more"
    )
    events_burst: int = Field(200, gt=0, description="events that one client may send at once after a pause")
    payload_bytes_max: int = Field(1_000_000, gt=0, description="Engine.IO maxPayload")
    nesting_max: int = Field(32, gt=0, description="levels of nesting in a client's JSON")
    queued_packets_max: int = Field(
        2000, gt=0, description="packets that wait for a client; one that has more to read gets snapshots instead"
    )
    unsent_bytes_max: int = Field(
        1 << 20, gt=0, description="bytes that wait for a client; one that has more to read gets snapshots instead"
    )
    slow_client_s: float = Field(
        20, gt=0, description="how long such a client may take to read what is left; then it is cut off"
    )
    pending_calls_max: int = Field(200, gt=0, description="calls of one client that wait for their turn")
    rooms_max: int = Field(100, gt=0, description="rooms that one client may be in")
    join_buffer_max: int = Field(5000, gt=0, description="facts held for a client while its snapshot is fetched")
    leave_grace_s: float = Field(2, ge=0, description="how long a person stays after the client disconnected itself")
    drop_grace_s: float = Field(15, ge=0, description="how long a person stays after the connection dropped")
    recovery_window_s: float = Field(
        120, ge=0, description="how long after a cut a client can take its session up; 0: never"
    )
    beat_s: float = Field(5, gt=0, description="how often presence hears which sessions this edge serves")
    tick_s: float = Field(2, gt=0, description="how often the edge probes its own live feed")
    tick_late_s: float = Field(7, gt=0, description="without a probe for so long the edge is not ready")
    health_check_s: float = Field(60, gt=0, description="how often clients get the event health_check")

    @field_validator("origins", "public_origins")
    @classmethod
    def _must_be_origins(cls, value: str) -> str:
        """What no browser sends would shut every page out, without a word."""
        for origin in filter(None, map(str.strip, value.split(","))):
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin: scheme and host, such as https://portal.example.org, no path")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _must_be_addresses(cls, value: str) -> str:
        """A name would never be met: all clients would share the proxy's address, and its limits."""
        for proxy in filter(lambda each: each not in ("", "*"), map(str.strip, value.split(","))):
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError(f"{proxy} is no address and no network, such as 10.0.0.0/8") from None
        return value

    @model_validator(mode="after")
    def _a_tick_must_come_in_time(self) -> Self:
        if self.tick_late_s <= self.tick_s:
            raise ValueError("CONFER_TICK_LATE_S must be more than CONFER_TICK_S: the edge would never be ready")
        return self

    @property
    def served_transports(self) -> list[str]:
        """A client that polls comes on many connections, which the kernel spreads over all workers."""
        return ["websocket"] if self.workers > 1 else self.transports.split(",")

    def of_worker(self, number: int, port: int) -> "EdgeSettings":
        """Those of one worker among several on a port: its metrics have a port of their own."""
        return self.model_copy(update={"port": port, "metrics_port": self.metrics_port and self.metrics_port + number})

    def allowed_origins(self, port: int) -> list[str]:
        """The configured origins and the edge's own; never what a Host header says."""
        own = self.public_origins or f"http://127.0.0.1:{port},http://localhost:{port}"
        return [o.strip() for o in f"{self.origins},{own}".split(",") if o.strip()]
