"""The texts of faults, as clients compare them."""

from typing import Any

import pytest

from tmd.wire.faults import Fault, RpcFault


@pytest.mark.parametrize(
    ("detail", "text"),
    [(None, "BAD_NAME"), ("", "BAD_NAME: "), ("web", "BAD_NAME: web")],
)
def test_an_empty_detail_is_a_detail(detail: str | None, text: str) -> None:
    assert RpcFault(Fault.BAD_NAME, detail).text == text
    assert str(RpcFault(Fault.BAD_NAME, detail)) == text


def test_a_fault_may_have_any_number() -> None:
    other = RpcFault(77, "x")
    assert (other.code, other.text) == (77, "UNKNOWN: x")
    assert RpcFault(-1).text == "UNKNOWN"
    assert RpcFault(10, "web").code is Fault.BAD_NAME


@pytest.mark.parametrize("code", ["abc", None, 2**31, -(2**31) - 1, 1.5])
def test_what_cannot_be_sent_as_a_number_is_no_code(code: Any) -> None:
    with pytest.raises(ValueError, match="cannot make a fault: its code must be a number of 32 bits, got"):
        RpcFault(code, "x")
