"""Bytes to requests: what is accepted, what is refused, and with which status."""

import pytest

from tmd.http.protocol import MAX_BODY, MAX_HEAD, MAX_HEADERS, MAX_LINE, Event, Head, Malformed, Reader, Request


def events_of(*pieces: bytes) -> list[Event]:
    reader = Reader()
    events = []
    for piece in pieces:
        reader.feed(piece)
        while event := reader.next_event():
            events.append(event)
    return events


def refusal_of(data: bytes) -> Malformed:
    last = events_of(data)[-1]
    assert isinstance(last, Malformed)
    return last


def test_a_request_comes_out_as_head_and_whole() -> None:
    head, request = events_of(b"POST /RPC2?x=1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello")
    assert head == Head("POST", "/RPC2?x=1", 1, {"host": "a:1", "content-length": "5"}, 5, keep_alive=True)
    assert request == Request(head, b"hello")
    assert isinstance(head, Head)
    assert (head.path, head.query) == ("/RPC2", "x=1")


def test_the_head_comes_out_before_the_body() -> None:
    reader = Reader()
    reader.feed(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel")
    assert isinstance(reader.next_event(), Head)
    assert reader.next_event() is None
    assert reader.within == "body"
    reader.feed(b"lo")
    event = reader.next_event()
    assert isinstance(event, Request)
    assert event.body == b"hello"
    assert reader.within == "idle"


def test_pipelined_requests_come_out_one_by_one() -> None:
    one = b"POST /1 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"
    requests = [event for event in events_of(one + b"GET /2 HTTP/1.1\r\n\r\n" + one) if isinstance(event, Request)]
    assert [request.head.path for request in requests] == ["/1", "/2", "/1"]


def test_empty_lines_before_a_request_are_skipped() -> None:
    events = events_of(b"GET / HTTP/1.1\r\n\r\n\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
    assert len(events) == 4


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        ("1.1", "", True),
        ("1.1", "close", False),
        ("1.1", "foo, Close", False),
        ("1.0", "", False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "close", False),
    ],
)
def test_keep_alive(version: str, connection: str, keeps: bool) -> None:
    header = f"Connection: {connection}\r\n" if connection else ""
    head = events_of(f"GET / HTTP/{version}\r\n{header}\r\n".encode())[0]
    assert isinstance(head, Head)
    assert head.keep_alive is keeps


@pytest.mark.parametrize(
    "length", ["-1", "+1", "1_0", "0x5", "", "5 5", "1.0", "5,5", "\u0665".encode().decode("latin-1"), "\xb2"]
)
def test_a_malformed_length_is_refused(length: str) -> None:
    data = f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode("latin-1")
    assert refusal_of(data).status == 400


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 30, "0" * 10 + str(MAX_BODY + 1)])
def test_a_large_body_is_refused_by_its_length(length: str) -> None:
    assert refusal_of(b"POST / HTTP/1.1\r\nContent-Length: %b\r\n\r\n" % length.encode()).status == 413


def test_the_largest_body_is_accepted() -> None:
    request = events_of(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MAX_BODY, b"x" * MAX_BODY)[-1]
    assert isinstance(request, Request)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", 411),
        (b"Transfer-Encoding: identity\r\n", 411),
        (b"Host: a\r\nHost: b\r\n", 400),
        (b"no colon\r\n", 400),
        (b"Name : x\r\n", 400),
        (b": x\r\n", 400),
        (b"A: b\r\n folded\r\n", 400),
        (b"A: b\nC: d\r\n", 400),
        (b"A: b\rC: d\r\n", 400),
        (b"A: b\x00\r\n", 400),
    ],
)
def test_ambiguous_heads_are_refused(headers: bytes, status: int) -> None:
    assert refusal_of(b"POST / HTTP/1.1\r\n" + headers + b"\r\n").status == status


def test_nothing_comes_out_after_a_refusal() -> None:
    events = events_of(
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\nGET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"
    )
    assert [type(event) for event in events] == [Malformed]


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"\x16\x03\x01\x02",
        b"GET / HTTP/1.1 x",
        b"GET / HTTP/x.y",
        b"G\0T / HTTP/1.1",
    ],
)
def test_garbage_is_not_answered(line: bytes) -> None:
    assert refusal_of(line + b"\r\n").status == 0


def test_other_versions_are_refused() -> None:
    assert refusal_of(b"GET / HTTP/2.0\r\n").status == 505
    assert refusal_of(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status == 505


def test_limits_of_the_head() -> None:
    longest = b"GET /" + b"x" * (MAX_LINE - len("GET / HTTP/1.1")) + b" HTTP/1.1\r\n"
    assert isinstance(events_of(longest + b"\r\n")[0], Head)
    assert refusal_of(b"GET /" + b"x" * MAX_LINE).status == 414
    assert refusal_of(b"GET /" + b"x" * MAX_LINE + b" HTTP/1.1\r\n\r\n").status == 414
    assert refusal_of(b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * MAX_HEAD).status == 431
    assert refusal_of(b"GET / HTTP/1.1\r\n" + b"A: " + b"x" * MAX_HEAD + b"\r\n\r\n").status == 431
    headers = b"".join(b"A%d: x\r\n" % number for number in range(MAX_HEADERS))
    assert isinstance(events_of(b"GET / HTTP/1.1\r\n" + headers + b"\r\n")[0], Head)
    assert refusal_of(b"GET / HTTP/1.1\r\n" + headers + b"B: x\r\n\r\n").status == 431


def test_an_endless_head_is_not_kept() -> None:
    reader = Reader()
    for _ in range(1000):
        reader.feed(b"x" * 10_000)
        reader.next_event()
    assert reader.waiting == 0


def test_repeated_headers_are_joined() -> None:
    head = events_of(b"GET / HTTP/1.1\r\nA: 1\r\na:  2 \r\n\r\n")[0]
    assert isinstance(head, Head)
    assert head.headers == {"a": "1, 2"}


def test_a_client_may_ask_whether_to_go_on() -> None:
    head = events_of(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n")[0]
    assert isinstance(head, Head)
    assert head.expects_continue
