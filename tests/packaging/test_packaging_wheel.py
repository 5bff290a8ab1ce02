"""What a wheel brings beside the programs."""

import tomllib
from pathlib import Path

from tests.packaging.tools import ROOT

SHARED: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
    "wheel"
]["shared-data"]


def test_all_that_is_shipped_is_there() -> None:
    assert [source for source in SHARED if not (ROOT / source).is_file()] == []


def test_all_that_is_to_be_shipped_is_listed() -> None:
    kept = [*(ROOT / "docs/man").iterdir(), *(ROOT / "etc/completions").iterdir(), *(ROOT / "etc").glob("*")]
    files = {str(path.relative_to(ROOT)) for path in kept if path.is_file()}
    assert files <= set(SHARED)


def test_everything_goes_where_its_reader_looks() -> None:
    for source, target in SHARED.items():
        name = Path(source).name
        match Path(target).parts:
            case ("share", "man", directory, file):
                assert directory == f"man{name[-1]}"
                assert file == name
            case ("share", "bash-completion", "completions", program):
                assert f"{program}.bash" == name
            case ("share", "zsh", "site-functions", file) | ("share", "fish", "vendor_completions.d", file):
                assert file == name
            case other:
                assert other == ("share", "taskmaster", name)
