"""Addresses that say themselves what is wrong with them; all others are left to the fetcher, which tells nothing."""

from __future__ import annotations

import pytest

from ui.addresses import objection


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param("ftp://example.com/x.png", "https://", id="another scheme"),
        pytest.param("example.com/x.png", "https://", id="no scheme"),
        pytest.param("file:///etc/passwd", "https://", id="a file"),
        pytest.param("https://", "https://", id="no host"),
        pytest.param("http://[::1", "https://", id="half an address"),
        pytest.param("http://127.0.0.1/x.png", "Private", id="loopback"),
        pytest.param("http://localhost:8000/x.png", "Private", id="localhost"),
        pytest.param("http://192.168.1.4/x.png", "Private", id="private"),
        pytest.param("http://169.254.169.254/latest", "Private", id="metadata"),
        pytest.param("http://[fd00::1]/x.png", "Private", id="private, version 6"),
        pytest.param("http://printer.local/x.png", "Private", id="a local name"),
    ],
)
def test_what_is_wrong_is_said_apart(url: str, said: str) -> None:
    assert said in objection(url)
    assert len(objection(url)) < 200


@pytest.mark.parametrize("url", ["https://example.com/x.png", "http://8.8.8.8/x.png", "https://a.example:9/x"])
def test_names_and_public_addresses_tell_nothing(url: str) -> None:
    assert objection(url) == ""
