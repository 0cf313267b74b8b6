"""Keys are those of nats-server's own tools."""

import stat
from pathlib import Path

import pytest

from confer_contracts import nats_accounts
from confer_kit import nats_certificates, nats_users
from confer_kit.certificates import hosts_of
from confer_kit.nats_login import Violation
from confer_kit.nkeys import UserKey

SEED = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"  # of nats-server's documentation
PUBLIC = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
ACCOUNT = "SAAEXFSYMLINXLKR2TG5FLHCJHLU62B3SK3ESZLGP4B4XGLUNXICW3LGAY"  # a seed, but of no user


def test_the_public_key_is_as_nats_server_has_it() -> None:
    assert UserKey(SEED).public == PUBLIC


def test_a_new_key_is_its_own() -> None:
    new = UserKey.new()
    assert UserKey(new.seed).public == new.public != UserKey.new().public


@pytest.mark.parametrize("seed", ["", "SU", SEED[:-1], SEED[:-1] + "A", SEED.lower(), PUBLIC, ACCOUNT, "ü" * 58])
def test_what_is_no_users_seed_is_refused_and_not_told(seed: str) -> None:
    with pytest.raises(ValueError, match=r"^not a seed of a NATS user$"):
        UserKey(seed)


def test_comments_around_a_seed_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "user.nk"
    path.write_text(f"# sync-svc\n-----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n")
    assert UserKey.read(path).public == PUBLIC


def test_each_user_has_a_seed_that_others_cannot_read_and_keeps_it(tmp_path: Path) -> None:
    assert nats_users.make(tmp_path) == list(nats_accounts.names())
    seeds = {user: nats_users.seed_file(tmp_path, user) for user in nats_accounts.names()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in seeds.values()} == {0o600}
    before = {user: path.read_text() for user, path in seeds.items()}
    seeds["sync-svc"].unlink()
    assert nats_users.make(tmp_path) == ["sync-svc"]
    changed = {user for user, path in seeds.items() if path.read_text() != before[user]}
    assert changed == {"sync-svc"}
    public = nats_users.keys_file(tmp_path).read_text()
    for user, path in seeds.items():
        assert f"{nats_accounts.variable(user)}: {UserKey.read(path).public}\n" in public
        assert f"${nats_accounts.variable(user)}" in nats_accounts.accounts()


def test_a_certificate_is_made_once_and_everybody_has_what_trusts_it(tmp_path: Path) -> None:
    nats_users.make(tmp_path)
    assert nats_certificates.make(tmp_path, ["nats", "10.0.0.7"])
    server = tmp_path / "server"
    assert stat.S_IMODE((server / "server.key").stat().st_mode) == 0o600
    before = (server / "server.pem").read_bytes()
    assert hosts_of(before) == {"nats", "10.0.0.7"}
    nats_users.seed_file(tmp_path, "sync-svc").unlink()
    assert not nats_certificates.make(tmp_path, ["nats"])
    assert (server / "server.pem").read_bytes() == before
    assert {(tmp_path / user / "ca.pem").read_bytes() for user in nats_accounts.names()} == {
        (server / "ca.pem").read_bytes()
    }
    with pytest.raises(ValueError, match=r"not for nats-2: delete .*ca\.pem"):
        nats_certificates.make(tmp_path, ["nats", "nats-2"])


def test_a_violation_is_told_without_ids() -> None:
    def of(text: str) -> Violation | None:
        return Violation.of(Exception(f"nats: permissions violation for {text}"))

    assert of('publish to "log.sync.room.p-1.record"') == ("publish", "log.sync.…")
    assert of('publish to "$js.api.consumer.create.sync.queue-on-sync.log.x"') == (
        "publish", "$js.api.consumer.create.sync.…",
    )  # fmt: skip
    assert of('subscription to "call.sync.*" using queue "x"') == ("subscription", "call.sync.…")
    assert of("nothing of that kind") is None
