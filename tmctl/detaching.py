"""The keys that detach: how they are written, and how they are found among what is typed.

Pure. What may be the beginning of them is held back for a moment; when nothing follows it is passed on, and the rest
of the keys still counts for a little while, so that a program gets its Ctrl-P and a slow typist detaches all the same.
"""

DEFAULT_KEYS = "ctrl-p,ctrl-q"
HOLD_S = 0.3
"""a beginning is held back so long"""
FOLLOW_S = 2.0
"""and may be gone on with for so long"""


def parse_keys(text: str) -> bytes:
    """Return the bytes of keys such as `ctrl-p,ctrl-q`, `ctrl-]` or `~,.`; empty for none. ValueError says why not."""
    keys = b""
    for word in text.split(",") if text else ():
        letter = word[-1:]
        if word.lower() == f"ctrl-{letter.lower()}" or word == f"^{letter}":
            code = ord(letter.upper()) ^ 0x40
            if not letter.isascii() or code >= 32:
                raise ValueError(f"cannot read {word!r} as a key (ctrl- and a letter or one of @ [ \\ ] ^ _)")
            keys += bytes((code,))
        elif len(word) == 1 and word.isascii() and word.isprintable():
            keys += word.encode()
        else:
            raise ValueError(f"cannot read {word!r} as a key (e.g. --detach-keys {DEFAULT_KEYS})")
    return keys


def spelled(keys: bytes) -> str:
    """Return the keys as people call them: `Ctrl-P Ctrl-Q`."""
    return " ".join(f"Ctrl-{chr(code ^ 0x40)}" if code < 32 else chr(code) for code in keys)


class DetachKeys:
    """Looks through what is typed; times are seconds on any clock."""

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0
        self._held = b""
        self._since = 0.0

    def feed(self, data: bytes, now: float) -> tuple[bytes, bool]:
        """Return what is to be passed on, and whether the keys were typed; what follows them is dropped."""
        if not self._keys:
            return data, False
        passed = bytearray()
        if self._matched and now - self._since > FOLLOW_S:
            self._forget(passed)
        for code in data:
            if not self._matched and code != self._keys[0]:
                passed.append(code)
                continue
            self._held += bytes((code,))
            typed = self._keys[: self._matched] + bytes((code,))
            # The longest end of what was typed that may still become the keys.
            self._matched = next(size for size in range(len(typed), -1, -1) if typed.endswith(self._keys[:size]))
            known = max(0, len(self._held) - self._matched)
            passed += self._held[:known]
            self._held = self._held[known:]
            self._since = now
            if self._matched == len(self._keys):
                return bytes(passed), True
        return bytes(passed), False

    def due_s(self, now: float) -> float | None:
        """Return in how many seconds `give_up` is to be called; None: there is nothing held back."""
        return max(0.0, self._since + HOLD_S - now) if self._held else None

    def give_up(self, now: float) -> bytes:
        """Return what was held back long enough."""
        if not self._held or now - self._since < HOLD_S:
            return b""
        held, self._held = self._held, b""
        return held

    def _forget(self, passed: bytearray) -> None:
        passed += self._held
        self._held, self._matched = b"", 0
