"""Pictures by address: what may be asked for, what a server may do, and how long and how much it may."""

from __future__ import annotations

import datetime
import gzip
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grounding.errors import ImageError
from jobs.fetch import REFUSED, Address, Rules, fetch_picture, is_public

LOOPBACK = ipaddress.ip_address("127.0.0.1")


def png(color: str = "red") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 6), color).save(buffer, "PNG")
    return buffer.getvalue()


def open_to(port: int, **changes: object) -> Rules:
    """Rules that let this machine's loopback and one port through, as the real ones never do."""
    settings: dict[str, object] = {"is_allowed": lambda address: address == LOOPBACK, "ports": frozenset({port})}
    return Rules(**{**settings, "deadline_s": 60.0, **changes})  # type: ignore[arg-type]


@pytest.fixture
def listener() -> Iterator[list[str]]:
    """A server on loopback that counts who connects."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.02)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                seen.append("connected")
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        seen.append(str(server.getsockname()[1]))
        yield seen
        stop.set()
        thread.join()


def raw_server(talk: Callable[[socket.socket], None]) -> int:
    """The port of a server that accepts one connection and lets `talk` do what it likes with it."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            connection, _ = server.accept()
            with connection, suppress(OSError):  # the other side may have had enough
                talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def test_a_picture_is_fetched_with_its_name(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a/red%20cat.png").respond_with_data(png(), content_type="text/plain")
    httpserver.expect_request("/a/red cat.png").respond_with_data(png(), content_type="text/plain")
    picture = fetch_picture(f"http://127.0.0.1:{httpserver.port}/a/red%20cat.png?size=1", open_to(httpserver.port))
    assert (picture.name, picture.size_wh, picture.format) == ("red cat.png", (8, 6), "PNG")


def test_nothing_of_this_machine_is_sent_along(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: dict[str, str] = {}

    def answer(request: Request) -> Response:
        seen.update(request.headers)
        return Response(png(), headers={"Set-Cookie": "a=b"})

    httpserver.expect_request("/p.png").respond_with_handler(answer)
    for _ in range(2):
        fetch_picture(f"http://127.0.0.1:{httpserver.port}/p.png", open_to(httpserver.port))
    assert set(seen) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "localhost", "localhost.",
        "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "１２７.0.0.1", "127。0。0。1",
    ],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_connected_to(listener: list[str], host: str) -> None:
    port = int(listener[0])
    with pytest.raises(ImageError) as error:
        fetch_picture(f"http://{host}:{port}/x.png", Rules(ports=frozenset({port})))
    time.sleep(0.03)
    assert str(error.value) == REFUSED
    assert listener[1:] == []


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192",
        "192.0.0.9", "198.18.0.1", "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255", "0.1.2.3", "127.9.9.9",
        "::", "::1", "::ffff:10.0.0.1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1",
        "64:ff9b::a00:1", "2002:a00:1::1", "2001:0:1::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_everybodys_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "151.101.1.140", "::ffff:8.8.8.8", "2606:4700::1111"])
def test_addresses_of_the_public_web_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(url, id=url[:40] or "empty")
        for url in [
            "", "picture.png", "//host/x.png", "file:///etc/passwd", "ftp://host/x.png", "data:image/png;base64,AAAA",
            "gopher://host/", "javascript:alert(1)", "blob:http://host/x", "http://", "http:///x.png", "https://:443/",
            "http://user:pass@example.com/x.png", "http://example.com\\@127.0.0.1/", "http://exa mple.com/",
            "http://example.com/a\nb", "http://example.com/a\tb", "http://example.com:22/", "http://example.com:6379/",
            "http://example.com:0/", "http://example.com:99999/", "http://[::1/", "http://a..b/",
            f"http://{'a' * 300}/", "http://" + "a" * 3000,
        ]
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused_before_any_question_is_asked(url: str) -> None:
    def resolve(host: str, port: int) -> list[Address]:
        raise AssertionError("asked a name server")

    with pytest.raises(ImageError, match=r"^That address is not allowed"):
        fetch_picture(url, Rules(resolve=resolve))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="unknown name"),
        pytest.param([LOOPBACK], id="private"),
        pytest.param([ipaddress.ip_address("8.8.8.8"), LOOPBACK], id="public and private"),
    ],
)
def test_unknown_and_private_names_get_the_same_sentence(answer: list[Address]) -> None:
    with pytest.raises(ImageError) as error:
        fetch_picture("http://intranet/x.png", Rules(resolve=lambda host, port: answer))
    assert str(error.value) == REFUSED


def test_a_name_is_asked_for_once_so_that_its_second_answer_does_not_count(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x.png").respond_with_data(png())
    answers = iter([[LOOPBACK], [ipaddress.ip_address("127.0.0.2")]])
    rules = open_to(httpserver.port, resolve=lambda host, port: next(answers))
    assert fetch_picture(f"http://flips.test:{httpserver.port}/x.png", rules).size_wh == (8, 6)


def test_redirects_are_followed_three_times_and_no_further(httpserver: HTTPServer) -> None:
    for step in range(5):
        httpserver.expect_request(f"/{step}").respond_with_data(status=302, headers={"Location": f"{step + 1}"})
    httpserver.expect_request("/5").respond_with_data(png())
    rules = open_to(httpserver.port)
    assert fetch_picture(f"http://127.0.0.1:{httpserver.port}/2", rules).size_wh == (8, 6)
    with pytest.raises(ImageError, match="too many"):
        fetch_picture(f"http://127.0.0.1:{httpserver.port}/1", rules)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2:{}/x", "http://127.0.0.1:22/", "file:///etc/passwd", "gopher://127.0.0.1/"]
)
def test_a_redirect_is_held_to_the_same_rules(httpserver: HTTPServer, target: str) -> None:
    location = target.format(httpserver.port)
    httpserver.expect_request("/x").respond_with_data(status=301, headers={"Location": location})
    with pytest.raises(ImageError) as error:
        fetch_picture(f"http://127.0.0.1:{httpserver.port}/x", open_to(httpserver.port))
    assert str(error.value) == REFUSED


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        pytest.param(b"<html>hello</html>", 200, "web page", id="html as 200"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", 200, "SVG", id="svg"),
        pytest.param(b"", 200, "empty", id="empty"),
        pytest.param(png()[:40], 200, "damaged", id="truncated picture"),
        pytest.param(b"gone", 404, "404", id="missing"),
        pytest.param(png(), 500, "500", id="broken server"),
    ],
)
def test_what_is_no_picture_is_named(httpserver: HTTPServer, body: bytes, status: int, says: str) -> None:
    httpserver.expect_request("/x.png").respond_with_data(body, status=status, content_type="image/png")
    with pytest.raises(ImageError, match=says):
        fetch_picture(f"http://127.0.0.1:{httpserver.port}/x.png", open_to(httpserver.port))


def drip(connection: socket.socket, first: bytes, piece: bytes) -> None:
    """For a minute, or until the other side hangs up."""
    connection.sendall(first)
    for _ in range(1200):
        connection.sendall(piece)
        time.sleep(0.05)


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(lambda s: time.sleep(60), id="never answers"),
        pytest.param(lambda s: drip(s, b"", b"H"), id="drips its headers"),
        pytest.param(lambda s: drip(s, b"HTTP/1.1 200 OK\r\n\r\n", b"x"), id="drips its body"),
    ],
)
def test_a_slow_server_is_left_at_the_deadline(talk: Callable[[socket.socket], None]) -> None:
    port = raw_server(talk)
    start = time.monotonic()
    with pytest.raises(ImageError, match="in time"):
        fetch_picture(f"http://127.0.0.1:{port}/x.png", open_to(port, deadline_s=0.3))
    assert time.monotonic() - start < 20, "it waited for the server"


def test_a_name_server_that_does_not_answer_is_left_at_the_deadline() -> None:
    answering = threading.Event()

    def resolve(host: str, port: int) -> list[Address]:
        answering.wait(60)
        return []

    start = time.monotonic()
    with pytest.raises(ImageError, match="in time"):
        fetch_picture("http://slow.test/x.png", Rules(resolve=resolve, deadline_s=0.2))
    assert time.monotonic() - start < 20, "it waited for the name server"
    answering.set()


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(65536))


def packed_bomb(connection: socket.socket) -> None:
    body = gzip.compress(bytes(50_000_000))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    while connection.recv(4096):  # closed with the request unread, it would be reset, and what was sent may be lost
        pass


@pytest.mark.parametrize("talk", [endless, packed_bomb])
def test_no_more_is_read_than_a_picture_may_weigh(talk: Callable[[socket.socket], None]) -> None:
    port = raw_server(talk)
    with pytest.raises(ImageError, match="larger than 2 MB"):
        fetch_picture(f"http://127.0.0.1:{port}/x.png", open_to(port, max_bytes=2_000_000))


def test_a_packed_answer_is_unpacked(httpserver: HTTPServer) -> None:
    body = gzip.compress(png())
    httpserver.expect_request("/x.png").respond_with_data(body, headers={"Content-Encoding": "gzip"})
    assert fetch_picture(f"http://127.0.0.1:{httpserver.port}/x.png", open_to(httpserver.port)).size_wh == (8, 6)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"SSH-2.0-OpenSSH_9\r\n", id="speaks another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + png(), id="cut body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nnot packed", id="lies about packing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="cut chunk"),
    ],
)
def test_a_broken_answer_is_a_sentence(answer: bytes) -> None:
    port = raw_server(lambda connection: (connection.recv(4096), connection.sendall(answer)))  # type: ignore[arg-type, return-value]
    with pytest.raises(ImageError, match="did not send a picture"):
        fetch_picture(f"http://127.0.0.1:{port}/x.png", open_to(port))


def test_a_port_where_nobody_listens_is_a_sentence() -> None:
    with socket.socket() as bound:  # and not listening: nobody else takes the port meanwhile
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with pytest.raises(ImageError, match="did not send a picture"):
            fetch_picture(f"http://127.0.0.1:{port}/x.png", open_to(port))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and self-signed certificate of pictures.test in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pictures.test")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(
        now + datetime.timedelta(days=1)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.test")]), critical=False)
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8, serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "pictures.pem"
    private = key.private_bytes(plain[2], plain[1], plain[0])
    path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(plain[2]))
    return path


def tls_server(certificate: Path, answer: bytes = b"HTTP/1.0 200 OK\r\n\r\n" + png()) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def talk(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wire:
            wire.recv(4096)
            wire.sendall(answer)

    return raw_server(talk)


def test_tls_is_checked_against_the_name_though_the_address_is_pinned(certificate: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    port = tls_server(certificate)
    rules = open_to(port, tls=lambda: trusted, resolve=lambda host, port: [LOOPBACK])
    assert fetch_picture(f"https://pictures.test:{port}/x.png", rules).size_wh == (8, 6)
    port = tls_server(certificate)
    rules = open_to(port, tls=lambda: trusted, resolve=lambda host, port: [LOOPBACK])
    with pytest.raises(ImageError, match="did not send a picture"):
        fetch_picture(f"https://other.test:{port}/x.png", rules)


def test_a_certificate_nobody_vouches_for_is_not_accepted(certificate: Path) -> None:
    port = tls_server(certificate)
    rules = open_to(port, resolve=lambda host, port: [LOOPBACK])
    with pytest.raises(ImageError, match="did not send a picture"):
        fetch_picture(f"https://pictures.test:{port}/x.png", rules)


def test_no_redirect_leads_from_https_back_to_http(certificate: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x.png").respond_with_data(png())
    target = f"http://127.0.0.1:{httpserver.port}/x.png"
    port = tls_server(certificate, f"HTTP/1.0 302 Found\r\nLocation: {target}\r\n\r\n".encode())
    trusted = ssl.create_default_context(cafile=str(certificate))
    ports = frozenset({port, httpserver.port})
    rules = open_to(port, ports=ports, tls=lambda: trusted, resolve=lambda host, port: [LOOPBACK])
    assert fetch_picture(target, rules).size_wh == (8, 6)
    with pytest.raises(ImageError) as error:
        fetch_picture(f"https://pictures.test:{port}/x.png", rules)
    assert str(error.value) == REFUSED
