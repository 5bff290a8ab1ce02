"""The table against the real thing: Supervisor 4.3.0's own introspection is the oracle."""

import inspect
import warnings
from pathlib import Path
from typing import Any

import pytest

from tmd.http.reference import methods_page
from tmd.wire.methods import METHODS
from tmd.wire.structs import CONFIG_INFO, PROCESS_INFO, STRUCTS, capped_int

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
    from supervisor.xmlrpc import SystemNamespaceRPCInterface

_SYSTEM: Any = SystemNamespaceRPCInterface([("supervisor", SupervisorNamespaceRPCInterface(None))])
_REAL = _SYSTEM.listMethods()


def test_the_methods_are_supervisors_and_ours() -> None:
    ours = {"system.getProduct"}
    assert [name for name in METHODS if not name.startswith("taskmaster.") and name not in ours] == _REAL
    assert list(METHODS) == sorted(METHODS)


@pytest.mark.parametrize("name", _REAL)
def test_signatures_are_supervisors(name: str) -> None:
    assert METHODS[name].signature == _SYSTEM.methodSignature(name)


@pytest.mark.parametrize("name", _REAL)
def test_parameters_are_supervisors(name: str) -> None:
    namespace, _, method = name.partition(".")
    real = inspect.signature(getattr(_SYSTEM.namespaces[namespace], method)).parameters.values()
    assert [(param.name, param.optional) for param in METHODS[name].params] == [
        (param.name, param.default is not inspect.Parameter.empty) for param in real
    ]
    assert METHODS[name].required == sum(param.default is inspect.Parameter.empty for param in real)


def test_every_method_says_what_it_does() -> None:
    for method in METHODS.values():
        assert method.doc.endswith("."), method.name
        assert method.help.startswith(method.doc)
        assert f"@return {method.result}" in method.help
        assert not method.struct or method.struct in STRUCTS


def test_reading_never_needs_control() -> None:
    changes = ("start", "stop", "signal", "clear", "send", "add", "remove", "shutdown", "re")
    for method in METHODS.values():
        verb = method.name.partition(".")[2]
        if verb.startswith(changes) and not verb.startswith("read"):
            assert method.access == "control", method.name
    assert METHODS["supervisor.readLog"].access == "read"


def test_structs_begin_with_what_clients_index() -> None:
    assert [field.name for field in PROCESS_INFO][:14] == [
        "name", "group", "start", "stop", "now", "state", "statename", "spawnerr", "exitstatus", "logfile",
        "stdout_logfile", "stderr_logfile", "pid", "description",
    ]  # fmt: skip
    for fields in STRUCTS.values():
        assert len({field.name for field in fields}) == len(fields)
    assert len(CONFIG_INFO) == 31


@pytest.mark.parametrize(("value", "capped"), [(1.9, 1), (2**31, 2**31 - 1), (-(2**40), -(2**31)), (0, 0)])
def test_integers_are_capped_at_32_bits(value: float, capped: int) -> None:
    assert capped_int(value) == capped


def test_the_reference_page_is_fresh() -> None:
    page = methods_page()
    for name in METHODS:
        assert f"### {name}(" in page
    root = Path(__file__).resolve().parents[3]
    assert (root / "docs/reference/methods.md").read_text() == page
