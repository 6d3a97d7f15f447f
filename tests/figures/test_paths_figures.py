"""Single projections, the sheet, animations and runs in one plane."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_results import projection_of, trajectories, words
from PIL import Image

from deep_learning_dynamics import figures
from deep_learning_dynamics.figures import animation
from deep_learning_dynamics.figures.animation import moments_of
from deep_learning_dynamics.figures.groups import Groups
from deep_learning_dynamics.figures.trajectories import trajectories_of
from deep_learning_dynamics.quantities import quantity
from deep_learning_dynamics.results import Results


@pytest.mark.parametrize(
    ("trust", "distances", "says"),
    [
        (0.99, 0.95, "preserves neighbourhoods (trustworthiness 0.990) and preserves distances"),
        (0.9, 0.75, "roughly preserves neighbourhoods"),
        (0.6, 0.2, "does not preserve distances (distance rank correlation 0.200)"),
        (None, None, "too few snapshots"),
    ],
)
def test_the_first_sentence_says_how_far_to_believe_the_picture(trust, distances, says, results):
    projection = results.projections["pca"]
    quality = dataclasses.replace(
        projection.quality, trustworthiness=trust, distance_rank_correlation=distances
    )
    projection = dataclasses.replace(projection, quality=quality)
    changed = dataclasses.replace(results, projections={"pca": projection})
    assert says in figures.caption("paths", changed, "pca")
    figures.draw("paths", changed)


def test_figures_and_tables_write_quality_alike_and_below_one_never_as_one(results):
    written = quantity("trustworthiness").format
    assert [written(value) for value in (1.0, 0.99999, 0.9989, 0.38487, -0.2, None)] == [
        "1.000", "0.999", "0.999", "0.385", "−0.200", "–",
    ]  # fmt: skip
    quality = results.projections["pca"].quality
    assert f"trustworthiness {written(quality.trustworthiness)}" in words(
        figures.draw("paths", results)
    ).replace("\xa0", " ")


def test_the_legend_counts_networks_that_failed(make_results):
    failed = {"scratch-0": "dead", "scratch-1": "dead", "pretrained-1": "diverged"}
    text = words(figures.draw("paths", make_results(pairs=3, failed=failed)))
    assert "failed: 2 dead, 1 diverged" in text
    assert "6 networks (3 pairs)" in text
    assert "failed" not in words(figures.draw("paths", make_results(pairs=3)))


def test_the_sheet_has_a_panel_for_each_method(results):
    figure = figures.draw("sheet", results)
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_title("left")]
    assert [title.replace("\n", " ") for title in titles] == [
        "Principal component analysis", "Self-organising map",
    ]  # fmt: skip


def test_the_sheet_explains_refits_only_where_there_were_any(results, make_results):
    assert "Refits: Procrustes disparity" in words(figures.draw("sheet", results))
    assert "efits" not in words(figures.draw("sheet", make_results(robust=False)))


def test_the_footer_gives_the_range_of_snapshots():
    table, vectors = trajectories(pairs=2, earlier=False)
    kept = ~((table["network"] == "scratch-0") & (table["snapshot"] >= 11)).to_numpy()
    uneven = projection_of(table[kept].reset_index(drop=True), vectors[kept], robust=False)
    assert "11 to 38 snapshots of" in words(figures.paths(uneven))
    even = words(figures.paths(projection_of(table, vectors, robust=False)))
    assert "· 38 snapshots of" in even


def test_an_animation_shows_earlier_training_first_and_ends_with_all(make_results, tmp_path):
    results = make_results(pairs=2, steps=np.array([0.0, 10, 20, 30]), robust=False)
    moments = figures.save_animation(results, "pca", tmp_path / "paths.gif")
    assert moments == [("earlier", s) for s in (0, 10, 20, 30)] + [("", s) for s in (0, 10, 20, 30)]
    with Image.open(tmp_path / "paths.gif") as gif:
        frames = []
        for number in range(gif.n_frames):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB"), int))
    inked = [(frame.min(axis=2) < 200).sum() for frame in frames]
    # The last stays, as one frame that is shown longer, and is also what previews show.
    assert len(frames) == len(moments) + 1
    assert np.array_equal(frames[0], frames[-1])
    assert inked[-1] > inked[5] > inked[1]
    figures.save_animation(results, "pca", tmp_path / "again.gif")
    assert (tmp_path / "paths.gif").read_bytes() == (tmp_path / "again.gif").read_bytes()


def test_the_legend_of_an_animation_says_what_its_squares_are(make_results, tmp_path, monkeypatch):
    """They move with time; only the last ones are ends."""
    seen = []
    drawn = animation.plane_page

    def kept(*given, **named):
        seen.append(drawn(*given, **named))
        return seen[-1]

    monkeypatch.setattr(animation, "plane_page", kept)
    results = make_results(pairs=2, steps=np.array([0.0, 10, 20, 30]), robust=False)
    moments = figures.save_animation(results, "pca", tmp_path / "paths.gif")
    text = words(seen[0][0]).split("\n")
    assert "network at this step" in text
    assert "end" not in text
    caption = animation.animation_caption(results, "pca", moments)
    assert "The last is shown first, too. Squares: where networks are at the step" in caption


def test_a_frame_shows_nothing_of_those_before_it(make_results, tmp_path, monkeypatch):
    results = make_results(pairs=2, steps=np.array([0.0, 10, 20, 30]), robust=False)
    for path, kept in (("all.gif", slice(None)), ("last.gif", slice(-1, None))):
        monkeypatch.setattr(
            animation, "moments_of", lambda shown, kept=kept: moments_of(shown)[kept]
        )
        figures.save_animation(results, "pca", tmp_path / path)
    last = []
    for path in ("all.gif", "last.gif"):
        with Image.open(tmp_path / path) as gif:
            gif.seek(gif.n_frames - 1)
            last.append(np.asarray(gif.convert("RGB"), int))
    assert np.abs(last[0] - last[1]).max() <= 8  # palettes


def test_moments_are_few_and_hold_both_ends():
    table, vectors = trajectories(pairs=1, steps=np.arange(500.0))
    projection = projection_of(table, vectors, robust=False)
    shown = trajectories_of(projection.coordinates, Groups.of(table, "condition", {}))
    moments = moments_of(shown)
    assert moments[0] == ("earlier", 0)
    assert moments[-1] == ("", 499)
    assert len(moments) < 50


def test_runs_share_a_plane_and_what_they_share_is_drawn_once():
    first, other = (trajectories(pairs=2, seed=seed) for seed in (0, 1))

    def drawn(**runs):
        tables = [
            table.assign(
                run=run,
                network=run + table["network"],
                continues=(run + table["continues"]).where(table["continues"] != "", ""),
                path=table["path"] + 100 * number,
            )
            for number, (run, (table, _)) in enumerate(runs.items())
        ]
        vectors = np.concatenate([vectors for _, vectors in runs.values()])
        projection = projection_of(pd.concat(tables, ignore_index=True), vectors, robust=False)
        results = Results("run", projection.titles, projections={"pca": projection})
        return words(figures.draw("comparison", results)), figures.caption("comparison", results)

    text, caption = drawn(slow=first, fast=other)
    assert "2 runs in one plane" in text
    assert "8 networks" in text
    assert "the same" not in text
    assert {"slow", "fast", "from scratch, its end"} <= set(text.split("\n"))
    assert caption.startswith("No networks are the same in several of slow and fast.")
    text, caption = drawn(slow=first, fast=other, again=first)
    assert "the same in several runs" in text
    assert "8 networks" in text
    assert caption.startswith("Some networks are the same in several of slow, fast and again.")
