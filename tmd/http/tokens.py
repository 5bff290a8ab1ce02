"""Tokens of forms: who holds one was shown a page of ours, for a page of somebody else's cannot read them.

A token is a time, a number that counts up, and the HMAC of both under a key that lives as long as the daemon. Each is
good for one use within `LIFE_S`. The numbers that were used are remembered; when these grow too many, those that were
given out first lose their worth instead of being good twice. No clock and no randomness but what is handed in.
"""

from collections.abc import Callable

LIFE_S = 12 * 3600
MAX_USED = 10_000
_TIME, _NUMBER, _MAC = 8, 16, 32
"""hex digits"""
_LENGTH = _TIME + _NUMBER + _MAC


class Tokens:
    """Gives tokens and takes them back. `clock`: seconds that never go back; `random`: so many bytes nobody guesses."""

    def __init__(self, clock: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._key = random(32)
        self._last = 0
        self._used: dict[int, int] = {}
        """numbers of tokens that were used, with the times of these"""
        self._floor = 0
        """tokens up to this number are good no more"""

    def issue(self) -> str:
        """Return a new token: letters and digits."""
        self._last += 1
        body = f"{int(self._clock()):0{_TIME}x}{self._last:0{_NUMBER}x}"
        return body + self._mac(body)

    def use(self, token: str) -> bool:
        """Tell whether a token is good, which it then is no longer."""
        from hmac import compare_digest  # noqa: PLC0415 - brings OpenSSL into memory: only where somebody acts

        body, mac = token[: _TIME + _NUMBER], token[_TIME + _NUMBER :]
        if len(token) != _LENGTH or not token.isascii() or not compare_digest(mac, self._mac(body)):
            return False
        issued, number = int(body[:_TIME], 16), int(body[_TIME:], 16)
        if number <= self._floor or self._clock() - issued > LIFE_S or number in self._used:
            return False
        self._used[number] = issued
        self._make_room()
        return True

    def _make_room(self) -> None:
        """Forget what is too old to be good anyway; if that is not enough, let the first half be too old."""
        if len(self._used) <= MAX_USED:
            return
        old = self._clock() - LIFE_S
        self._used = {number: issued for number, issued in self._used.items() if issued >= old}
        if len(self._used) > MAX_USED:
            self._floor = sorted(self._used)[MAX_USED // 2]
            self._used = {number: issued for number, issued in self._used.items() if number > self._floor}

    def _mac(self, body: str) -> str:
        from hmac import digest  # noqa: PLC0415

        return digest(self._key, body.encode(), "sha256").hex()[:_MAC]
