"""Write the generated files, or with --check tell which of them are stale (exit status 1)."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def generated() -> dict[str, str]:
    """Return every generated file: path from the top of the repository -> text."""
    sys.path.insert(0, str(ROOT))
    from tmctl.reference import commands_page  # noqa: PLC0415 - the repository may not be installed
    from tmd.config import exports  # noqa: PLC0415
    from tmd.http.reference import methods_page  # noqa: PLC0415

    return {
        "docs/reference/settings.md": exports.reference_markdown(),
        "docs/reference/schema.json": json.dumps(exports.json_schema(), indent=2) + "\n",
        "docs/reference/sample.ini": exports.sample("ini"),
        "docs/reference/sample.yaml": exports.sample("yaml"),
        "docs/reference/methods.md": methods_page(),
        "docs/reference/tmctl.md": commands_page(),
        "docs/reference/sample.conf": exports.sample("supervisor"),
    }


def main(arguments: list[str]) -> int:
    """Write or check; returns the exit status."""
    stale = [name for name, text in generated().items() if not _same(ROOT / name, text)]
    if "--check" in arguments:
        for name in stale:
            print(f"{name}: stale, run python docs/generate.py")
        return 1 if stale else 0
    for name in stale:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated()[name], encoding="utf-8")
        print(f"{name}: written")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
