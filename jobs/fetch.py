"""A picture from a web address given by a stranger: only from the public internet, only so much, only so long.

The name is resolved once and that very address is connected to, so a name server cannot answer differently the second
time. Every redirect is checked like the first address. No proxies, cookies or stored passwords are used.

Everything that is refused gets one and the same sentence: whoever asks learns nothing of the network this runs in.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import PurePosixPath
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from grounding.errors import ImageError
from grounding.images import MAX_BYTES, Picture, load

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REFUSED = "That address is not allowed or not known. Give the http or https address of a picture on the public web."
_TOO_SLOW = "The picture did not arrive in time. Try again, or download it yourself and load the file."
_NOT_REACHED = "The server did not send a picture. Check the address, or download the picture and load the file."

_NEVER = tuple(
    ipaddress.ip_network(net)
    for net in (
        "192.0.0.0/24",  # protocol assignments, cloud metadata among them; older Pythons call much of it global
        "fec0::/10",  # site-local, given up but not reassigned
        "64:ff9b::/96",  # NAT64, and below 6to4 and Teredo: each leads to an IPv4 address hidden inside
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
    )
)


def is_public(address: Address) -> bool:
    """Whether `address` is one the whole internet may talk to: no private, shared, link-local or metadata address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return is_public(address.ipv4_mapped)
    if any(address in net for net in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int) -> list[Address]:
    """Every address the name stands for; OSError where there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found))


@cache
def trusted() -> ssl.SSLContext:
    """The system's certificates and certifi's: some Python installations come without any."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@dataclass(frozen=True)
class Rules:
    """What may be fetched. The defaults are for use; others are for tests on this machine."""

    is_allowed: Callable[[Address], bool] = is_public
    resolve: Callable[[str, int], list[Address]] = resolve
    tls: Callable[[], ssl.SSLContext] = trusted
    ports: frozenset[int] = frozenset({80, 443})
    max_redirects: int = 3
    max_bytes: int = MAX_BYTES
    deadline_s: float = 15.0


def fetch_picture(url: str, rules: Rules = Rules()) -> Picture:
    """The picture at `url`; raises ImageError with a sentence where there is none or it may not be fetched."""
    data, name = fetch(url, rules)
    return load(data, name=name)


def fetch(url: str, rules: Rules = Rules()) -> tuple[bytes, str]:
    """The bytes at `url` and the file name it ends in; raises ImageError as `fetch_picture` does."""
    ends = time.monotonic() + rules.deadline_s
    for _ in range(rules.max_redirects + 1):
        parts, port = _checked(url, rules)
        addresses = _resolved(parts.hostname or "", port, rules, ends)
        try:
            data, moved_to = _get(parts, port, addresses, rules, ends)
        except (OSError, HTTPException, ValueError, zlib.error) as error:
            late = time.monotonic() >= ends or isinstance(error, TimeoutError)
            raise ImageError(_TOO_SLOW if late else _NOT_REACHED) from error
        if moved_to is None:
            return data, PurePosixPath(unquote(parts.path)).name
        url = _join(url, moved_to)
    raise ImageError("That address leads on to too many others. Give the address of the picture itself.")


def _checked(url: str, rules: Rules) -> tuple[SplitResult, int]:
    """The address taken apart, and its port; ImageError for anything but a plain web address."""
    url = url.strip()
    try:
        if len(url) > 2000 or "\\" in url or any(character <= " " or character == "\x7f" for character in url):
            raise ValueError("not an address")
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode().rstrip(".")  # full-width dots and letters become plain
        port = {"http": 80, "https": 443}[parts.scheme] if parts.port is None else parts.port
        if not host or "@" in parts.netloc or port not in rules.ports:
            raise ValueError("not an allowed address")
    except (ValueError, KeyError) as error:
        raise ImageError(REFUSED) from error
    return parts._replace(netloc=f"[{host}]" if ":" in host else host), port


def _join(url: str, moved_to: str) -> str:
    """Where a redirect leads; from https back to http is refused."""
    try:
        target = urljoin(url, moved_to)
        downgraded = urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https"
    except ValueError as error:
        raise ImageError(REFUSED) from error
    if downgraded:
        raise ImageError(REFUSED)
    return target


def _resolved(host: str, port: int, rules: Rules, ends: float) -> list[Address]:
    """The name's addresses, all of them allowed. A name server that does not answer cannot hold the caller."""
    answer: SimpleQueue[list[Address]] = SimpleQueue()

    def ask() -> None:
        try:
            answer.put(rules.resolve(host, port))
        except (OSError, ValueError):  # ValueError: names no name server could be asked
            answer.put([])

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = answer.get(timeout=max(0.0, ends - time.monotonic()))
    except Empty:
        raise ImageError(_TOO_SLOW) from None
    if not addresses or not all(rules.is_allowed(address) for address in addresses):
        raise ImageError(REFUSED)
    return addresses


class _Pinned(HTTPConnection):
    """A connection to one address, whatever the host is called; TLS is checked against the host's name."""

    def __init__(self, host: str, port: int, address: Address, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self.default_port = 443 if tls else 80  # leaves the port out of the Host header
        self._address = address
        self._tls = tls
        self.wire: socket.socket | None = None  # kept: http.client forgets its own once the answer's head is read

    def connect(self) -> None:
        self.wire = self.sock = socket.create_connection((str(self._address), self.port), self.timeout)
        if self._tls:
            # The handshake comes after the socket is known, so that the deadline can end it.
            wire = self._tls.wrap_socket(
                self.sock, server_hostname=self.host.strip("[]"), do_handshake_on_connect=False
            )
            self.wire = self.sock = wire
            wire.do_handshake()

    def cut(self) -> None:
        """Ends whatever another thread waits for on this connection."""
        if wire := self.wire:
            with suppress(OSError):  # it may have ended by itself
                socket.socket.shutdown(wire, socket.SHUT_RDWR)  # SSLSocket's own would forget its state meanwhile


@contextmanager
def _deadline(connection: _Pinned, seconds: float) -> Iterator[None]:
    """Socket time limits hold for each read; a server that drips its headers needs one for all of them."""
    timer = threading.Timer(seconds, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        connection.close()


def _get(
    parts: SplitResult, port: int, addresses: list[Address], rules: Rules, ends: float
) -> tuple[bytes, str | None]:
    """(body, None), or (b"", the address it has moved to). The first address that can be reached is asked."""
    host = parts.hostname or ""
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{quote(parts.query, safe=_QUERY)}" * bool(parts.query)
    )
    tls = rules.tls() if parts.scheme == "https" else None
    for place, address in enumerate(addresses):
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        last = place == len(addresses) - 1
        connection = _Pinned(host, port, address, tls, left if last else left / 3)
        with _deadline(connection, left):
            try:
                connection.connect()
            except ssl.SSLError:
                raise
            except OSError:
                if last:
                    raise
                continue
            connection.sock.settimeout(max(0.01, ends - time.monotonic()))
            connection.request("GET", path, headers=_HEADERS)
            with connection.getresponse() as response:
                if response.status in (301, 302, 303, 307, 308):
                    return b"", response.headers.get("Location", "")
                return _body(response, rules.max_bytes, ends), None
    raise OSError("no address could be reached")


_QUERY = "/%:@!$&'()*+,;=~?"
_HEADERS = {"User-Agent": "Pinpoint", "Accept": "image/*", "Accept-Encoding": "identity", "Connection": "close"}


def _body(response: HTTPResponse, max_bytes: int, ends: float) -> bytes:
    """The whole answer, unpacked; ImageError as soon as it is no picture's or too large."""
    if response.status != 200:
        raise ImageError(f"The server answered {response.status} instead of a picture. Check the address.")
    packed = response.headers.get("Content-Encoding", "identity").lower() not in ("identity", "")
    unpack = zlib.decompressobj(47) if packed else None  # 47: gzip or zlib, whichever it is
    data = bytearray()
    while chunk := response.read1(65536):
        data += unpack.decompress(chunk, max_bytes + 1 - len(data)) if unpack else chunk
        if len(data) > max_bytes:
            limit = max_bytes // 1_000_000
            raise ImageError(
                f"The picture at that address is larger than {limit} MB. Download a smaller one and load it."
            )
        if time.monotonic() >= ends:
            raise TimeoutError
    if time.monotonic() >= ends:  # cut by the deadline, which looks like an end
        raise TimeoutError
    if response.length:  # closed before all that was promised had come
        raise OSError("cut short")
    return bytes(data)
