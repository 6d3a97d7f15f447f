"""``python -m benchmarks [--quick] [--only ROW ...]``, from the project's root."""

import argparse
import signal
import sys
import time
import traceback
from pathlib import Path

from benchmarks import chart, machine, rows, table
from benchmarks.result import Line

FOLDER = Path("benchmarks")
QUICK = Path("build/benchmarks")  # not for keeping: what git ignores


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small works, in two minutes")
    names = ", ".join(row.name for row in rows.ROWS)
    parser.add_argument("--only", nargs="+", metavar="ROW", help=f"some of: {names}")
    parser.add_argument(
        "--readme", type=Path, help="write the last full results into this file, measure nothing"
    )
    asked = parser.parse_args()
    if not Path("params.yaml").exists():
        parser.error("run it in the project's root, where params.yaml is")
    if asked.readme is not None:
        lines, measured_on = table.read(FOLDER / "results.json")
        text = table.insert(asked.readme.read_text(), table.markdown(lines, measured_on))
        asked.readme.write_text(text)
        return 0
    try:
        chosen = rows.chosen(asked.only, asked.quick)
    except ValueError as error:
        parser.error(str(error))
    # Temporary folders are removed when a terminal is closed or a job is stopped, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return _measure(chosen, asked.quick, FOLDER if not asked.quick else QUICK)


def _measure(chosen: list[rows.Row], quick: bool, folder: Path) -> int:
    from rich.console import Console

    start = time.perf_counter()
    results, here, lines = folder / "results.json", machine.describe(), []
    if results.exists():
        old, measured_on = table.read(results)
        if measured_on == here:  # figures of two machines would be no table
            lines = old
    for row in chosen:
        before = time.perf_counter()
        print(f"{row.name} ...", end=" ", flush=True, file=sys.stderr)
        lines = table.merged(lines, _lines(row, quick), rows.titles())
        seconds = time.perf_counter() - start
        # After each row: whatever stops the next one, what was measured is there.
        table.write(results, lines, here, {"quick": quick, "seconds": round(seconds)})
        print(f"{time.perf_counter() - before:.0f} s", file=sys.stderr)
    (folder / "results.md").write_text(table.markdown(lines, here), encoding="utf-8")
    chart.save(folder / "chart.png", lines, here)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table.terminal(lines, here))
    for note in table.notes(lines):
        console.print(note, style="dim", highlight=False)
    console.print(
        f"{seconds:.0f} s. Written: {results}, {folder / 'results.md'}, {folder / 'chart.png'}"
    )
    return 1 if any(line.failed for line in lines) else 0


def _lines(row: rows.Row, quick: bool) -> list[Line]:
    """The row's lines; an alternative that is missing leaves it out, an error fails it alone."""
    try:
        return row.measure(quick)
    except ModuleNotFoundError as error:
        problem = f"{error.name} is missing; install the extra: pip install '.[bench]'"
        return [Line(title, "", "", problem=problem) for title in row.titles]
    except Exception as error:  # the other rows are still worth having
        traceback.print_exc()
        # Of another process's error the last line says what happened, the first "Traceback".
        said = str(error).strip().splitlines() or [""]
        problem = f"{type(error).__name__}: {said[-1]}"
        return [Line(title, "", "", problem=problem, failed=True) for title in row.titles]


if __name__ == "__main__":
    sys.exit(main())
