"""The places of values, which are kept for many programs in one form."""

from pathlib import Path

import pytest

from tests.unit.config.hosts import made_up_host
from tmd.config.load import Loaded, load_file
from tmd.config.origins import Origins
from tmd.tree.node import Origin


def load(directory: Path, text: str) -> Loaded:
    (directory / "t.conf").write_text(text, encoding="utf-8")
    return load_file(f"{directory}/t.conf", made_up_host())


def noted(*places: tuple[str, str, Origin]) -> Origins:
    origins = Origins()
    for label, name, origin in places:
        origins.of(label).setdefault(name, origin)
    return origins


def test_packed_they_are_what_they_were() -> None:
    places = {
        "program:a.command": Origin("x.conf", 4, 1),
        "program:a.user": Origin("x.conf", 2, 3),
        "program:b.command": Origin("x.conf", 14, 1),
        "program:b.user": Origin("y.conf", 1, 1),
        "programs.a.b.command": Origin("x.yaml", 7, 5),
        "alone": Origin("x.yaml", 1, 1),
    }
    origins = noted(
        *((label, name, place) for key, place in places.items() for label, _, name in [key.rpartition(".")])
    )
    assert origins == places
    origins.pack()
    assert origins == places
    assert len(origins) == len(places)
    assert sorted(origins) == sorted(places)


@pytest.mark.parametrize("key", ["program:a.user", "program:b.command", "command", ""])
@pytest.mark.parametrize("packed", [False, True])
def test_what_nobody_has_written(key: str, packed: bool) -> None:
    origins = noted(("program:a", "command", Origin("x.conf", 4, 1)))
    origins.of("program:b")
    if packed:
        origins.pack()
    assert key not in origins
    with pytest.raises(KeyError):
        origins[key]


def test_others_are_added() -> None:
    origins = noted(("ctl", "prompt", Origin("x.conf", 4, 1)))
    origins.update(
        noted(("ctl", "serverurl", Origin("x.conf", 5, 1)), ("program:a", "command", Origin("x.conf", 9, 1)))
    )
    assert sorted(origins) == ["ctl.prompt", "ctl.serverurl", "program:a.command"]


def test_sections_of_one_form_share_it(tmp_path: Path) -> None:
    text = "[supervisord]\n" + "".join(f"[program:p{n}]\ncommand=x {n}\nautostart=no\n" for n in range(3))
    origins = load(tmp_path, text).origins
    assert [str(origins[f"program:p{n}.autostart"]) for n in range(3)] == [
        f"{tmp_path}/t.conf:{4 + 3 * n}:1" for n in range(3)
    ]
    assert isinstance(origins, Origins)
    forms = {id(origins._packed[f"program:p{n}"][2]) for n in range(3)}
    assert len(forms) == 1


def test_an_option_for_all_has_its_own_place(tmp_path: Path) -> None:
    text = "[DEFAULT]\nautostart=no\n[supervisord]\n[program:a]\ncommand=x\n"
    origins = load(tmp_path, text).origins
    assert str(origins["program:a.autostart"]) == f"{tmp_path}/t.conf:2:1"
