"""TOML with very long lines: the time to find every place again grows with the text, not with its square."""

import time
from pathlib import Path

from tests.unit.config.hosts import this_host
from tmd.config.load import load_file

KEYS = 1500
VALUE_CHARACTERS = 1000
DEADLINE_S = 5.0


def test_a_line_of_a_megabyte_and_a_half_is_read_at_once(tmp_path: Path) -> None:
    wanted = {f"NAME_{number}": f"{number:x}".rjust(VALUE_CHARACTERS, "v") for number in range(KEYS)}
    table = ", ".join(f'{name} = "{value}"' for name, value in wanted.items())
    path = tmp_path / "long.toml"
    path.write_text(f'[programs.web]\ncommand = "sleep 1000"\nenvironment = {{ {table} }}\n', encoding="utf-8")
    begun = time.monotonic()
    loaded = load_file(str(path), this_host())
    taken_s = time.monotonic() - begun
    (group,) = loaded.settings.groups
    (process,) = group.processes
    assert {name: process.environment[name] for name in wanted} == wanted
    assert taken_s < DEADLINE_S
