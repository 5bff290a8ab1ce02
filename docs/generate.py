"""Write the generated files, or with --check tell which of them are stale (exit status 1)."""

import json
import sys
import tomllib
from pathlib import Path

BEGIN, END = "<!-- differences: begin (python docs/generate.py) -->\n", "<!-- differences: end -->\n"
"""between these lines of docs/supervisor.md stands the table of differences"""

ROOT = Path(__file__).resolve().parent.parent

RUN = "bench/results/latest.json"
"""the run of the bench that docs/performance.md tells of"""
CHARTS = "docs/images/performance"


def generated() -> dict[str, str]:
    """Return every generated file: path from the top of the repository -> text."""
    sys.path.insert(0, str(ROOT))
    from bench import findings, report  # noqa: PLC0415
    from docs import completions, manual  # noqa: PLC0415
    from tmctl.reference import commands_page  # noqa: PLC0415 - the repository may not be installed
    from tmd.config import exports  # noqa: PLC0415
    from tmd.config.schema import json_schema  # noqa: PLC0415
    from tmd.http.reference import methods_page  # noqa: PLC0415

    run = findings.load(ROOT / RUN)
    return {
        "docs/performance.md": report.page(run, "images/performance"),
        **{f"{CHARTS}/{name}": picture for name, picture in report.charts(run).items()},
        "docs/reference/settings.md": exports.reference_markdown(),
        "docs/reference/schema.json": json.dumps(json_schema(), indent=2) + "\n",
        "docs/reference/sample.ini": exports.sample("ini"),
        "docs/reference/sample.yaml": exports.sample("yaml"),
        "docs/reference/methods.md": methods_page(),
        "docs/reference/tmctl.md": commands_page(),
        "docs/reference/sample.conf": exports.sample("supervisor"),
        **completions.files(),
        **manual.files(),
        "docs/supervisor.md": _with_differences((ROOT / "docs/supervisor.md").read_text(encoding="utf-8")),
    }


def _with_differences(page: str) -> str:
    """Return the page with the table of docs/differences.toml in its place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{_differences()}{END}{after}"


def _differences() -> str:
    """Return one table for each area, in the order of the file."""
    areas: dict[str, list[str]] = {}
    for entry in tomllib.loads((ROOT / "docs/differences.toml").read_text(encoding="utf-8")).values():
        areas.setdefault(entry["area"], []).append(f"| {entry['supervisor']} | {entry['tmd']} | {entry['why']} |\n")
    head = "| Supervisor | tmd | why |\n|---|---|---|\n"
    return "\n" + "\n".join(f"### {area}\n\n{head}{''.join(rows)}" for area, rows in areas.items()) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    files = generated()
    stale = [name for name, text in files.items() if not _same(ROOT / name, text)]
    left = [path for path in sorted((ROOT / CHARTS).glob("*")) if f"{CHARTS}/{path.name}" not in files]
    if "--check" in arguments:
        for name in [*stale, *(f"{CHARTS}/{path.name}" for path in left)]:
            print(f"{name}: stale, run python docs/generate.py")
        return 1 if stale or left else 0
    for name in stale:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[name], encoding="utf-8")
        print(f"{name}: written")
    for path in left:
        path.unlink()
        print(f"{CHARTS}/{path.name}: removed")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
