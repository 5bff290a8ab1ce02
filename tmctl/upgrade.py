"""`upgrade`: the daemon is replaced by what is installed now, and everything goes on."""

import time
from typing import Any

from tmctl import exits
from tmctl.client import HttpStatus
from tmctl.connection import Unreachable
from tmctl.marshal import BadReply, ServerFault
from tmctl.session import Request, Session
from tmd.wire.faults import Fault

PATIENCE_S = 60.0
"""how long the new daemon may take"""
LOOK_S = 0.02


def upgrade(session: Session, request: Request) -> None:
    """Have the daemon make way, wait until the next one answers, and say what happened."""
    request.takes_no_words()
    if not session.server_is_up():
        return
    try:
        before = session.client.call("taskmaster.getFigures")
        told = session.client.wait("taskmaster.upgrade")
    except ServerFault as fault:
        if fault.code == Fault.UNKNOWN_METHOD:
            session.fail("ERROR: cannot upgrade: this server knows no upgrade in place (restart it)")
        elif fault.code == Fault.SHUTDOWN_STATE:
            session.fail("ERROR: already shutting down")
        else:
            session.fail(f"ERROR: {fault.text.removeprefix('FAILED: ')}")
        return
    began = time.monotonic()
    after = _after(session, int(told["upgrades"]), int(before["upgrades_refused"]), began + PATIENCE_S)
    if after is None:
        session.fail(f"ERROR: the new daemon does not answer within {PATIENCE_S:.0f} seconds (see its log: maintail)")
        return
    took_s = time.monotonic() - began
    if int(after["upgrades"]) <= int(told["upgrades"]):
        session.fail("ERROR: cannot upgrade: the same daemon goes on (the reason is in its log: maintail)")
        return
    goes_on = "1 process goes on" if told["children"] == 1 else f"{told['children']} processes go on"
    session.say(f"upgraded: tmd {told['from']} -> {told['to']} in {took_s:.2f} s; {goes_on}")
    for key in ("from", "to", "children"):
        session.record(key, told[key])
    session.record("took_s", round(took_s, 3))


def _after(session: Session, upgrades: int, refused: int, deadline: float) -> dict[str, Any] | None:
    """Return the figures of the daemon after an upgrade, or of the same one if it could not; None: nobody answers."""
    while time.monotonic() < deadline:
        try:
            figures: dict[str, Any] = session.client.call("taskmaster.getFigures")
        except (Unreachable, HttpStatus, BadReply, ServerFault):
            figures = {}
        if figures and (int(figures["upgrades"]) > upgrades or int(figures["upgrades_refused"]) > refused):
            return figures
        time.sleep(LOOK_S)
    session.status = exits.GENERIC
    return None
