"""The texts of faults, as clients compare them."""

import pytest

from tmd.wire.faults import Fault, RpcFault


@pytest.mark.parametrize(
    ("detail", "text"),
    [(None, "BAD_NAME"), ("", "BAD_NAME: "), ("web", "BAD_NAME: web")],
)
def test_an_empty_detail_is_a_detail(detail: str | None, text: str) -> None:
    assert RpcFault(Fault.BAD_NAME, detail).text == text
    assert str(RpcFault(Fault.BAD_NAME, detail)) == text
