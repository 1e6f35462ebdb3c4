"""What the environment may say, and that keys never show."""

from __future__ import annotations

import pytest

from grounding.errors import ConfigError
from grounding.settings import Settings, clean_key

KEY = "AIzaCanary0123456789"


def test_an_empty_environment_serves_this_machine_only_and_shares_nothing() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.share_key) == ("127.0.0.1", 7860, False)
    assert settings.gemini_api_key is None


def test_googles_own_variable_wins_as_it_does_in_the_client_library() -> None:
    assert Settings.from_env({"GEMINI_API_KEY": "second", "GOOGLE_API_KEY": "first"}).gemini_api_key == "first"


def test_keys_never_show_in_a_settings_text() -> None:
    settings = Settings.from_env({"GEMINI_API_KEY": KEY, "HF_TOKEN": "hf_canary"})
    assert KEY not in repr(settings)
    assert "hf_canary" not in repr(settings)


def test_a_space_is_served_to_everyone_without_sharing_the_key() -> None:
    settings = Settings.from_env({"SPACE_ID": "me/pinpoint", "GEMINI_API_KEY": KEY})
    assert settings.host == "0.0.0.0"
    assert not settings.share_key


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, True, id="at this machine"),
        pytest.param({"PINPOINT_HOST": "::1"}, True, id="at this machine, IPv6"),
        pytest.param({"PINPOINT_HOST": "0.0.0.0"}, False, id="open to a network"),
        pytest.param({"PINPOINT_HOST": "192.168.1.5"}, False, id="at an address of the network"),
        pytest.param({"SPACE_ID": "me/pinpoint"}, False, id="a Space"),
        pytest.param({"SPACE_ID": "me/pinpoint", "PINPOINT_HOST": "127.0.0.1"}, False, id="a Space behind a proxy"),
    ],
)
def test_only_who_sits_at_this_machine_is_its_owner(settings: dict[str, str], expected: bool) -> None:
    assert Settings.from_env(settings).local is expected


@pytest.mark.parametrize("blank", ["", "   ", "\n"])
def test_a_blank_variable_counts_as_unset(blank: str) -> None:
    names = ("GEMINI_API_KEY", "PINPOINT_BACKEND", "PINPOINT_MODEL", "PINPOINT_PORT", "PINPOINT_SHARE_KEY")
    assert Settings.from_env(dict.fromkeys(names, blank)) == Settings()


@pytest.mark.parametrize(
    ("value", "shared"), [("1", True), ("yes", True), ("TRUE", True), ("0", False), ("off", False)]
)
def test_sharing_the_key_is_said_plainly(value: str, shared: bool) -> None:
    assert Settings.from_env({"PINPOINT_SHARE_KEY": value}).share_key is shared


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PINPOINT_SHARE_KEY", "perhaps"),
        ("PINPOINT_PORT", "abc"),
        ("PINPOINT_PORT", "0"),
        ("PINPOINT_PORT", "65536"),
        ("PINPOINT_PORT", "-1"),
        ("PINPOINT_PORT", "78.60"),
    ],
)
def test_an_odd_value_is_refused_with_the_variables_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Settings.from_env({name: value})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"  {KEY}\n", id="white space"),
        pytest.param(f'"{KEY}"', id="quotes"),
        pytest.param(f"`{KEY}`", id="backticks"),
        pytest.param(f"GEMINI_API_KEY={KEY}", id="a line of a shell script"),
        pytest.param(f"export GOOGLE_API_KEY='{KEY}'", id="an export"),
        pytest.param(f"gemini_api_key: {KEY}", id="a line of YAML"),
    ],
)
def test_what_is_copied_along_with_a_key_is_taken_off(text: str) -> None:
    assert clean_key(text) == KEY


@pytest.mark.parametrize("text", ["AIza\nAIza", "AIza AIza", "ключ", 'AI"za', "k" * 513, "AIza\x00"])
def test_what_can_be_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        clean_key(text)
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", ["", "  ", "''", "GEMINI_API_KEY="])
def test_no_key_is_no_key(text: str) -> None:
    assert clean_key(text) == ""
