"""The benchmark's arithmetic is right, and every row that was asked for is there."""

import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks/ is no part of the installed package

from benchmarks import machine, rows, table  # noqa: E402
from benchmarks.__main__ import _lines, _measure  # noqa: E402
from benchmarks.result import Curve, Line, Reach, seconds  # noqa: E402
from benchmarks.timing import Contender, Spread, Times, interleaved, ratio  # noqa: E402

HERE = machine.Machine("a processor", 2, 25.3, "Linux", "3.11", "torch 2.15.0")


class Clock:
    """A clock that only work moves."""

    def __init__(self):
        self.now = 0.0
        self.heard = []

    def __call__(self):
        return self.now

    def work(self, name, *lengths):
        lengths = iter(lengths)

        def run():
            self.heard.append(name)
            self.now += next(lengths)

        return run


def test_contenders_take_turns_after_all_have_warmed_up():
    clock = Clock()
    ours = Contender(clock.work("ours", 1, 3, 2), warm_up=clock.work("warm ours", 50))
    theirs = Contender(clock.work("theirs", 10, 30, 20), warm_up=clock.work("warm theirs", 50))
    times = interleaved({"ours": ours, "theirs": theirs}, budget=1000, at_most=3, clock=clock)
    assert clock.heard == ["warm ours", "warm theirs", *["ours", "theirs"] * 3]
    assert times == {"ours": Times((1, 3, 2)), "theirs": Times((10, 30, 20))}
    assert (times["ours"].median, times["ours"].low, times["ours"].high) == (2, 1, 3)


@pytest.mark.parametrize(("budget", "rounds"), [(10, 1), (29, 2), (30, 3), (1000, 5)])
def test_a_round_starts_only_if_it_fits_into_the_budget(budget, rounds):
    clock = Clock()
    work = Contender(clock.work("work", *[10.0] * 9))
    assert len(interleaved({"a": work}, budget, clock=clock)["a"].seconds) == rounds


def test_the_least_number_of_rounds_is_done_whatever_the_budget():
    clock = Clock()
    work = Contender(clock.work("work", *[10.0] * 9))
    times = interleaved({"a": work}, budget=1, at_least=3, at_most=3, clock=clock)
    assert len(times["a"].seconds) == 3


def test_a_part_of_the_work_counts_for_the_whole_and_says_so():
    clock = Clock()
    part = Contender(clock.work("part", 2), extrapolated=50, basis="2 of 100 networks")
    times = interleaved({"a": part}, 10, at_most=1, clock=clock)["a"]
    assert times == Times((100,), "2 of 100 networks")
    line = Line.faster("row", "work", "them", Times((1.0,)), times, reach=20)
    assert "100 s, extrapolated from 2 of 100 networks" in table.cells(line)


def test_work_in_another_process_brings_its_own_seconds():
    clock = Clock()

    def child():
        clock.now += 5  # starting it
        return 3.0

    times = interleaved({"a": Contender(child, times_itself=True)}, 1, at_most=1, clock=clock)
    assert times["a"].seconds == (3.0,)


def test_a_ratio_is_that_of_the_medians_with_the_extremes_of_the_rounds():
    found = ratio(Times((1.0, 2.0, 4.0)), Times((10.0, 60.0, 20.0)))
    assert found == Spread(20 / 2, 5, 30)


@pytest.mark.parametrize(
    ("reach", "found", "verdict"),
    [
        (Reach(20, "×"), 20.0, "reached"),
        (Reach(20, "×"), 10.0, "missed: a factor of 2 short"),
        (Reach(50, "%"), 41.6, "missed by 8 points"),
        (Reach(50, "%"), 0.0, "missed by 50 points"),
        (Reach(90, "s", at_most=True), 90.0, "reached"),
        (Reach(90, "s", at_most=True), 99.0, "missed by 9.00 s (10%)"),
        (Reach(5, "%", at_most=True), 7.5, "missed by 2.50 points"),
        (Reach(1, "GB", at_most=True), 1.25, "missed by 0.25 GB (25%)"),
    ],
)
def test_a_verdict_says_by_how_much_a_reach_was_missed(reach, found, verdict):
    assert reach.verdict(found) == verdict


def test_an_alternative_that_was_stopped_gives_a_lower_bound():
    theirs = Times((30.0,), at_least=True)
    line = Line.faster("row", "work", "them", Times((1.0,)), theirs, reach=20)
    assert (line.figure, line.verdict) == ("> 30.0×", "reached")
    open_line = Line.faster("row", "work", "them", Times((1.0,)), theirs, reach=40)
    assert open_line.verdict == "open: theirs was stopped"
    assert seconds(theirs) == "> 30.0 s"
    assert seconds(Times((28_800.0,))) == "8.0 h"


def test_the_power_at_the_far_end_is_that_of_the_last_factor_of_ten():
    sizes = (1, 10, 100, 1000)
    # Constant at first, then quadratic.
    curve = Curve("work", "size", "a step", sizes, (1.0, 1.0, 2.0, 200.0), own=2)
    assert curve.slope() == pytest.approx(2)


def test_sizes_stop_before_one_that_would_not_fit_into_the_budget(monkeypatch):
    scaling = import_module("benchmarks.scaling")
    clock = Clock()
    monkeypatch.setattr(scaling.time, "perf_counter", clock)

    def grow(size):
        clock.now += size
        return float(size)

    assert scaling.measured((1, 10, 100, 1000), grow, budget=200) == (1.0, 10.0, 100.0)
    assert scaling.measured((1, 10, 100, 1000), grow, budget=100) == (1.0, 10.0)


def example_lines():
    met = Line.faster(
        "train, few", "10 networks", "them", Times((1.0, 1.1)), Times((9.0, 10.0)), 8, note="a note"
    )
    short = Line("train, many", "100 networks", "products", found=Spread(40, 39, 41), unit="%")
    short = Line(**vars(short) | {"reach": Reach(50, "%"), "limit": "150 GFLOP/s"})
    left_out = Line("isometry", "", "", problem="no room")
    curve = Curve("training", "networks", "a step", (1, 10), (1.0, 2.0), own=1)
    return [met, short, left_out, Line("scaling", "sizes", "power", curve=curve)]


def test_the_markdown_table_has_a_line_for_each_and_the_machine():
    text = table.markdown(example_lines(), HERE)
    first, second, third = text.splitlines()[2:5]
    assert first == (
        "| **train, few** | 10 networks | them | 1.05 s (1.00–1.10) | 9.50 s (9.00–10.0) "
        "| 9.05× (9.00–9.09) | ≥ 8.00× | reached |"
    )
    assert second.endswith("| 40.0 % (39.0–41.0) | ≥ 50.0 % | missed by 10 points |")
    assert "left out: no room" in third
    assert "a processor, 2 cores, 25 GB of memory" in text
    assert "- train, few, them: a note" in text
    assert "- train, many, products: 150 GFLOP/s" in text
    columns = {re.sub(r"[^|]", "", line) for line in text.splitlines() if line.startswith("|")}
    assert len(columns) == 1


def test_results_are_read_back_as_they_were_written(tmp_path):
    table.write(tmp_path / "results.json", example_lines(), HERE, {"quick": False})
    assert table.read(tmp_path / "results.json") == (example_lines(), HERE)
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_rows_that_are_measured_again_replace_their_lines_and_keep_the_order():
    old = example_lines()
    again = Line("train, many", "100 networks", "new")
    found = table.merged(old, [again], rows.titles())
    assert found == [old[0], again, old[2], old[3]]


def test_the_readme_gets_the_table_between_its_markers():
    document = f"before\n{table.START}\nold\n{table.END}\nafter\n"
    assert table.insert(document, "new\n") == f"before\n{table.START}\nnew\n{table.END}\nafter\n"
    with pytest.raises(ValueError, match="benchmarks: start"):
        table.insert("no markers", "new")


def test_the_terminal_shows_every_line():
    shown = table.terminal(example_lines(), HERE)
    assert shown.row_count == 4
    assert "a processor" in shown.title


def test_the_chart_is_drawn_of_whatever_was_measured(tmp_path):
    chart = import_module("benchmarks.chart")
    image = import_module("matplotlib.image")
    chart.save(tmp_path / "chart.png", example_lines(), HERE)
    pixels = image.imread(tmp_path / "chart.png")
    blue = np.abs(pixels[..., :3] - np.array([0, 0x72, 0xB2]) / 255).max(axis=2) < 0.02
    assert blue.sum() > 1000  # the bar of what was reached, and the curve
    chart.save(tmp_path / "less.png", example_lines()[2:3], HERE)


def test_every_row_that_was_asked_for_is_registered():
    assert rows.titles() == [
        "train, few",
        "train, many",
        "train, own batch order",
        "SOM, 2020 setting",
        "SOM, minisom",
        "SOM, large",
        "autoencoder",
        "isometry",
        "out of core",
        "pipeline, cold",
        "pipeline, cold, pictures untested",
        "pipeline, no-op",
        "tracking",
        "scaling",
    ]


def test_the_budgets_are_within_fifteen_and_two_minutes():
    assert sum(row.seconds for row in rows.ROWS) <= 15 * 60
    assert sum(row.quick_seconds for row in rows.ROWS) <= 2 * 60


@pytest.mark.parametrize("row", rows.ROWS, ids=lambda row: row.name)
def test_each_row_has_its_function(row):
    source = (ROOT / "benchmarks" / f"{row.module}.py").read_text()
    assert f"def {row.function}(effort: Effort) -> list[Line]:" in source


def test_rows_are_chosen_by_name_in_the_order_of_the_table():
    assert [row.name for row in rows.chosen(["isometry", "train-few"], True)] == [
        "train-few",
        "isometry",
    ]
    names = {row.name for row in rows.chosen(None, True)}
    assert {"out-of-core", "pipeline"}.isdisjoint(names)
    with pytest.raises(ValueError, match="nothing is not a row; expected some of: train-few"):
        rows.chosen(["nothing"], False)


def test_a_missing_alternative_leaves_its_row_out_and_an_error_fails_it(monkeypatch, capsys):
    def missing(self, quick):
        raise ModuleNotFoundError("No module named 'SimpSOM'", name="SimpSOM")

    monkeypatch.setattr(rows.Row, "measure", missing)
    (line,) = _lines(rows.ROWS[0], True)
    assert (line.verdict, line.failed) == ("left out", False)
    assert "SimpSOM is missing; install the extra" in line.problem

    def broken(self, quick):
        raise RuntimeError("no luck")

    monkeypatch.setattr(rows.Row, "measure", broken)
    lines = _lines(rows.ROWS[9], True)
    assert [line.verdict for line in lines] == ["FAILED"] * 4
    assert "no luck" in lines[0].problem


def test_of_an_error_in_another_process_the_table_shows_what_happened(monkeypatch, capsys):
    def broken(self, quick):
        raise RuntimeError(
            "Traceback (most recent call last):\n  File ...\nOSError: no space left\n"
        )

    monkeypatch.setattr(rows.Row, "measure", broken)
    (line,) = _lines(rows.ROWS[0], True)
    assert line.problem == "RuntimeError: OSError: no space left"


def test_what_was_measured_is_kept_when_a_later_row_is_interrupted(tmp_path, monkeypatch, capsys):
    def measure(self, quick):
        if self.name == "train-many":
            raise KeyboardInterrupt
        return [Line(self.titles[0], "work", "them", found=Spread(9, 8, 10), unit="×")]

    monkeypatch.setattr(rows.Row, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        _measure(rows.ROWS[:2], True, tmp_path)
    lines, _ = table.read(tmp_path / "results.json")
    assert [(line.row, line.found) for line in lines] == [("train, few", Spread(9, 8, 10))]


def test_useful_operations_count_the_products_forward_and_backward():
    training = import_module("benchmarks.training")
    networks = import_module("deep_learning_dynamics.networks")
    # 3·2 and 2·4 weights: two operations each forward, for the gradient, and for the error below.
    architecture = networks.Architecture((3, 2, 4), "relu")
    assert training.useful_operations(architecture) == 2 * (2 * 14 + 8)


@pytest.fixture(scope="module")
def som():
    return import_module("benchmarks.som")


@pytest.fixture(scope="module")
def paths():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.normal(size=(60, 300)), axis=0)


def test_minisom_in_parts_on_raw_weights_is_one_training_and_ends_with_our_map(
    som, paths, monkeypatch
):
    monkeypatch.setattr(som, "UPDATES", 90)
    raw, reduced = som._Segments.on_raw(paths, 90), som._Segments.on_reduction(paths, 90)
    assert (raw.contender().extrapolated, raw.contender().basis) == (3, "")
    before = raw.best_matching_units()
    for _ in range(3):
        raw()
        reduced()
    ours = som._fit(paths, 90).units
    np.testing.assert_array_equal(raw.best_matching_units(), ours)
    np.testing.assert_array_equal(reduced.best_matching_units(), ours)
    assert (before != ours).any()


def test_another_order_of_the_rows_gives_another_map(som, paths):
    other = som._Segments.on_raw(paths, 90)
    other._order = other._order[::-1]
    for _ in range(3):
        other()
    assert (other.best_matching_units() != som._fit(paths, 90).units).any()


def test_a_store_of_the_isometry_row_is_gone_afterwards_even_if_interrupted():
    isometry = import_module("benchmarks.isometry")
    seen = []

    def interrupted():
        with isometry._stores(20, 800) as stores:
            seen.append((stores.folder, stores.bytes, stores.weights))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    folder, size, weights = seen[0]
    assert size == 20 * weights * 4
    assert not folder.exists()


def test_peak_memory_is_at_least_what_is_held():
    before = machine.peak_memory()
    held = np.ones(64 * 2**20 // 8)
    assert machine.peak_memory() >= max(before, held.nbytes)
