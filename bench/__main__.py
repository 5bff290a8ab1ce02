"""The command line of the bench: `bench/run`, or `python -m bench` at the top of the repository."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench.catalogue import Catalogue
from bench.findings import Run, dump
from bench.report import charts, page
from bench.runner import MINUTES, MOST_S, Bench, Wanted
from bench.unavailable import Unavailable

_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None, catalogue: Catalogue | None = None) -> int:
    """Measure what is asked for; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _options(given)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        if options.gate:
            from bench import gate  # noqa: PLC0415 - it has measurements of its own

            return gate.main(_say)
        _make_room(options)
        wanted = Wanted(options.only, options.subjects, options.quick, options.most, options.minutes)
        return _measure(Bench(wanted, _say, catalogue), options, " ".join(["bench/run", *_without_paths(given)]))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ValueError, Unavailable, OSError) as error:
        _say(str(error))
        return 2


def _measure(bench: Bench, options: argparse.Namespace, command: str) -> int:
    """Measure, and write or print; what was found before an interruption is printed and not kept."""
    try:
        bench.measure()
    except KeyboardInterrupt:
        _say("interrupted")
        run = bench.found(command)
        if run.measurements:
            print(page(run, None))
        return _INTERRUPTED
    run = bench.found(command)
    _write(run, options)
    if not (options.json or options.markdown or options.charts):
        print(page(run, None))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measure tmd side by side with other supervisors, in one run."
    )
    parser.add_argument("--only", type=_names, default=(), metavar="KEY,...", help="these measurements (default: all)")
    parser.add_argument("--subjects", type=_names, default=(), metavar="NAME,...", help="these subjects (default: all)")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and one round: a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page (default: print it)")
    parser.add_argument("--charts", type=Path, metavar="DIR", help="write the charts")
    parser.add_argument(
        "--most", type=float, default=MOST_S, metavar="S", help="seconds a turn may take (default: %(default)g)"
    )
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, metavar="M",
        help="for all of it: fewer rounds when time is short, the slowest peers' first (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--gate", action="store_true", help="compare tmd with the bare loop, under a minute; exit status 1: too slow"
    )
    return parser.parse_args(arguments)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _without_paths(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that say what is measured: where it is written is nobody's business."""
    kept: list[str] = []
    skip = False
    for word in arguments:
        wordy = word.partition("=")[0] in ("--json", "--markdown", "--charts")
        if not skip and not wordy:
            kept.append(word)
        skip = wordy and "=" not in word
    return kept


def _make_room(options: argparse.Namespace) -> None:
    """Make the directories of what will be written; raises OSError now rather than after a quarter of an hour."""
    for file in filter(None, (options.json, options.markdown)):
        file.parent.mkdir(parents=True, exist_ok=True)
        if _replaceable(file):
            beside = _beside(file)
            beside.touch()
            beside.unlink()
    if options.charts:
        options.charts.mkdir(parents=True, exist_ok=True)


def _replaceable(file: Path) -> bool:
    """Return whether a file can be put in place of what is there: not of a terminal, a pipe or a link."""
    return not file.is_symlink() and (file.is_file() or not file.exists())


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}")


def _put(file: Path, data: bytes) -> None:
    """Write a file in one: whoever looks, even after an interruption, finds the old one or the new one."""
    if not _replaceable(file):
        file.write_bytes(data)
        return
    beside = _beside(file)
    try:
        beside.write_bytes(data)
        beside.rename(file)
    finally:
        beside.unlink(missing_ok=True)


def _write(run: Run, options: argparse.Namespace) -> None:
    if options.json:
        _put(options.json, dump(run))
    images = None
    if options.charts:
        for name, picture in charts(run).items():
            _put(options.charts / name, picture.encode())
        beside = options.markdown.resolve().parent if options.markdown else Path.cwd()
        images = os.path.relpath(options.charts.resolve(), beside)
    if options.markdown:
        _put(options.markdown, page(run, images).encode())


def _interrupt(_signum: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
