"""Webhooks: the signature of the specification, the file of the operator, and when it is tried again."""

import base64
from pathlib import Path

import pytest

from notify_svc.webhook_file import Webhook, key_of, webhooks_of
from notify_svc.webhooks import BACKOFF_MAX_S, backoff, signed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_signature_is_that_of_the_specifications_example() -> None:
    """The example of the reference implementations' tests (github.com/standard-webhooks/standard-webhooks)."""
    told = signed(key_of(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert told["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (told["webhook-id"], told["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")


def test_attempts_lie_further_and_further_apart() -> None:
    for attempt, seconds in ((1, 5), (2, 20), (3, 80), (20, BACKOFF_MAX_S), (10_000, BACKOFF_MAX_S)):
        assert 0.75 * seconds <= backoff(attempt, 5) <= 1.25 * seconds


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


def test_what_goes_where(secret: Path) -> None:
    hook = Webhook(name="line", url="https://example.org/in", secret_file=secret)
    assert hook.takes("role.nurse", "info", "low")
    assert not hook.takes("user.ana", "message", "normal"), "what two people write to each other goes nowhere unasked"
    assert hook.model_copy(update={"types": ("message",)}).takes("user.ana", "message", "normal")
    some = hook.model_copy(update={"audiences": ("role.*",), "types": ("error",), "priorities": ("high",)})
    assert some.takes("role.nurse", "error", "high")
    assert not some.takes("user.ana", "error", "high")
    assert not some.takes("role.nurse", "info", "high")
    assert not some.takes("role.nurse", "error", "low")


def test_a_secret_can_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    file = b'[[webhooks]]\nname = "line"\nurl = "http://127.0.0.1:1/"\nsecret_env = "LINE_SECRET"'
    with pytest.raises(ValueError, match="webhook 1, secret_env: LINE_SECRET is not set"):
        webhooks_of(file)
    monkeypatch.setenv("LINE_SECRET", SECRET)
    (hook,) = webhooks_of(file)
    assert hook.key() == base64.b64decode(SECRET.removeprefix("whsec_"))


GOOD = 'name = "line"\nurl = "https://example.org/in"\nsecret_file = "SECRET"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (GOOD.replace("https://example.org/in", "file:///etc/passwd"), "webhook 1, url: must be an http or"),
        (GOOD.replace("https://", "https://me:secret@"), "webhook 1, url: must have neither a user"),
        (GOOD.replace("https://example.org/in", "https:///in"), "webhook 1, url: must be an http"),
        (GOOD.replace('"SECRET"', '"/nowhere"'), "webhook 1, secret_file: No such file or directory"),
        (GOOD + 'secret_env = "X"', "webhook 1, exactly one of secret_file, secret_env must be given"),
        (GOOD + "timeout_s = 0", "webhook 1, timeout_s: "),
        (GOOD + "timeout_s = 31", "webhook 1, timeout_s: "),
        (GOOD + 'types = ["fatal"]', "webhook 1, types, 1: "),
        (GOOD + "[[webhooks]]\n" + GOOD, "two webhooks have the same name"),
        (GOOD + "redirects = true", "webhook 1, redirects: Extra inputs"),
        ("name = ", "it is not TOML: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_sentence(secret: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"^.+$") as raised:
        webhooks_of(f"[[webhooks]]\n{text.replace('SECRET', str(secret))}".encode())
    assert complaint in str(raised.value)


@pytest.mark.parametrize("wrong", ["", "whsec_", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_"), "whsec_ä!"])
def test_a_secret_that_is_none_is_refused_without_being_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="the secret must be whsec_ and 24 to 64 bytes") as raised:
        key_of(wrong)
    assert not wrong.removeprefix("whsec_") or wrong not in str(raised.value)
