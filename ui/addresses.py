"""What is wrong with an address a person typed, as far as the address itself tells, and whether there is a way out.

Says nothing about the network this runs in beyond whether it has one: whatever else is refused, is refused alike.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from jobs.fetch import is_public

OFFLINE = "This machine seems to be offline, so nothing can be fetched. Save the picture elsewhere and drop it here."
_PRIVATE = "Private and local addresses are not fetched. Open the picture in your browser, save it, and drop it here."
_NO_WEB = "This is no web address: it should begin with https:// or http://. For a file of your own, drop it here."

_ROUTED = ("192.0.2.1", 9)
"""Set aside for documentation (RFC 5737): there is a route to it exactly where there is one out. Nothing is sent."""


def objection(url: str) -> str:
    """Why `url` will not be fetched, where its own words say so; "" where they do not."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return _NO_WEB
    if parts.scheme not in ("http", "https") or not host:
        return _NO_WEB
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return _PRIVATE
    try:
        return "" if is_public(ipaddress.ip_address(host)) else _PRIVATE
    except ValueError:
        return ""  # a name


def offline() -> bool:
    """Whether this machine has no way to the internet at all."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ROUTED)
        except OSError:
            return True
    return False
