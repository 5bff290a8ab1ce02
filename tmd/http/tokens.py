"""Tokens of forms: who holds one was shown a page of ours, for a page of somebody else's cannot read them.

A token is a time, a number used once, and the HMAC of both under a key that lives as long as the daemon. Each is good
for one use within `LIFE_S`. The numbers that were used are remembered; when these grow too many, whole stretches of
old tokens lose their worth instead of being good twice. No clock and no randomness but what is handed in.
"""

import binascii
from collections.abc import Callable

LIFE_S = 12 * 3600
MAX_USED = 10_000
_TIME, _NONCE, _MAC = 8, 16, 32
"""hex digits"""
_LENGTH = _TIME + _NONCE + _MAC


class Tokens:
    """Gives tokens and takes them back. `clock`: seconds that never go back; `random`: so many bytes nobody guesses."""

    def __init__(self, clock: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._clock, self._random = clock, random
        self._key = random(32)
        self._used: dict[str, int] = {}
        """nonces of tokens that were used, with the time of their tokens"""
        self._floor = -1
        """tokens that are not younger are good no more"""

    def issue(self) -> str:
        """Return a new token: letters and digits."""
        body = f"{int(self._clock()):0{_TIME}x}{binascii.hexlify(self._random(_NONCE // 2)).decode()}"
        return body + self._mac(body)

    def use(self, token: str) -> bool:
        """Tell whether a token is good, which it then is no longer."""
        from hmac import compare_digest  # noqa: PLC0415 - brings OpenSSL into memory: only where somebody acts

        body, mac = token[: _TIME + _NONCE], token[_TIME + _NONCE :]
        if len(token) != _LENGTH or not token.isascii() or not compare_digest(mac, self._mac(body)):
            return False
        issued, nonce = int(body[:_TIME], 16), body[_TIME:]
        if issued <= self._floor or self._clock() - issued > LIFE_S or nonce in self._used:
            return False
        self._used[nonce] = issued
        self._make_room()
        return True

    def _make_room(self) -> None:
        """Forget what is too old to be good anyway; if that is not enough, let the oldest half be too old."""
        if len(self._used) <= MAX_USED:
            return
        old = self._clock() - LIFE_S
        self._used = {nonce: issued for nonce, issued in self._used.items() if issued >= old}
        if len(self._used) > MAX_USED:
            self._floor = sorted(self._used.values())[MAX_USED // 2]
            self._used = {nonce: issued for nonce, issued in self._used.items() if issued > self._floor}

    def _mac(self, body: str) -> str:
        from hmac import digest  # noqa: PLC0415

        return digest(self._key, body.encode(), "sha256").hex()[:_MAC]
