"""What is said of the connection: where it goes to, never the credentials."""

import pytest

from confer_kit.nats_link import Link, addresses, wait_for_nats
from confer_kit.settings import KitSettings

NOBODY = "ann:secret@127.0.0.1:1"


@pytest.mark.parametrize(
    ("urls", "shown"),
    [
        ("nats://127.0.0.1:4222", "127.0.0.1:4222"),
        ("nats:4222", "nats:4222"),
        ("nats", "nats"),
        (f"{NOBODY}, nats://bob:p@b:2,tls://c", "127.0.0.1:1, b:2, c"),
    ],
)
def test_addresses_have_no_scheme_and_no_credentials(urls: str, shown: str) -> None:
    assert addresses(urls) == shown


async def test_nobody_there_is_a_sentence_with_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    settings = KitSettings(nats_url=NOBODY, nats_connect_s=1)
    told = r"^x: no NATS server at 127\.0\.0\.1:1 \(no answer in 1 s; ConnectionRefusedError: .*\)\."
    with pytest.raises(SystemExit, match=told):
        await wait_for_nats(Link(), settings, "x")
    said = capsys.readouterr().out
    assert "127.0.0.1:1" in said.splitlines()[0]
    assert "secret" not in said
