"""XML-RPC both ways, against the codec of the standard library; and names that must reach nothing."""

import xmlrpc.client
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.http.fake_daemon import FakeDaemon
from tmd.http.decode import BadRequest, decode_call
from tmd.http.encode import encode_response
from tmd.http.site import make_rpc
from tmd.wire.faults import Fault, RpcFault
from tmd.wire.methods import METHODS

_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
_SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.booleans(), st.integers(-(2**31), 2**31 - 1), _TEXT, st.floats(allow_nan=False, allow_infinity=False)
)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=12,
)
_RPC = make_rpc(FakeDaemon(Path("/nowhere")))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(_VALUES, st.binary()), max_size=4))
def test_what_clients_encode_we_decode(params: list[Any]) -> None:
    body = xmlrpc.client.dumps(tuple(params), "m").encode()
    assert decode_call(body).params == params


@settings(max_examples=200, deadline=None)
@given(_VALUES)
def test_what_we_encode_clients_decode(value: Any) -> None:
    assert xmlrpc.client.loads(encode_response(value))[0][0] == value


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters()))
def test_any_text_is_well_formed(text: str) -> None:
    arrived = xmlrpc.client.loads(encode_response(text))[0][0]
    assert isinstance(arrived, str)
    assert len(arrived) == len(text)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_body_is_a_call_or_a_bad_request(body: bytes) -> None:
    with suppress(BadRequest):
        decode_call(body)


_NAMES = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(["supervisor", "system", "__class__", "supervisord", "options", "_x", "getState", ""])
    ).map(".".join),
    st.sampled_from(sorted(METHODS)).flatmap(
        lambda name: st.sampled_from(
            [
                f"{name}.x",
                f".{name}",
                f"{name}.",
                f" {name}",
                name.upper(),
                f"{name}\0",
                f"{name}.__call__",
                name.replace(".", "\u2024"),
            ]
        )
    ),
)


@settings(max_examples=300, deadline=None)
@given(_NAMES)
def test_a_name_that_is_not_listed_reaches_nothing(name: str) -> None:
    if name in METHODS:
        return
    with pytest.raises(RpcFault) as caught:
        _RPC.call(name, [])
    assert caught.value.code is Fault.UNKNOWN_METHOD
