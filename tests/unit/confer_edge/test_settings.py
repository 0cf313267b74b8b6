"""Settings of an edge that would let it start, and serve nobody, are refused in a sentence."""

import pytest

from confer_edge.settings import EdgeSettings
from confer_kit.process import read_settings


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"CONFER_ORIGINS": "https://a, portal.example.org"}, "CONFER_ORIGINS: portal.example.org is no origin: "),
        ({"CONFER_ORIGINS": "https://a/"}, "CONFER_ORIGINS: https://a/ is no origin: "),
        ({"CONFER_PUBLIC_ORIGINS": "here"}, "CONFER_PUBLIC_ORIGINS: here is no origin: "),
        ({"CONFER_TRUSTED_PROXIES": "10.0.0.0/8,proxy"}, "CONFER_TRUSTED_PROXIES: proxy is no address and no network"),
        ({"CONFER_TRUSTED_PROXIES": "10.0.0.1/8"}, "CONFER_TRUSTED_PROXIES: 10.0.0.1/8 is no address and no network"),
        ({"CONFER_TICK_LATE_S": "2"}, "CONFER_TICK_LATE_S must be more than CONFER_TICK_S: "),
    ],
)
def test_it_is_named_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read_settings(EdgeSettings)
    head, line = str(ended.value).splitlines()
    assert head == "these settings are wrong:"
    assert line.startswith(f"  {said}")


def test_what_installations_set_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFER_ORIGINS", "*,null, https://a.example:8443,capacitor://localhost,")
    monkeypatch.setenv("CONFER_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,::1")
    settings = read_settings(EdgeSettings)
    assert settings.allowed_origins(1)[:2] == ["*", "null"]
    for nothing in ("", "*"):
        monkeypatch.setenv("CONFER_TRUSTED_PROXIES", nothing)
        assert read_settings(EdgeSettings).trusted_proxies == nothing
