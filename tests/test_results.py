"""The bundle of all results: gathered from a folder or computed from runs."""

import json

import pandas as pd
import pytest
from made_results import STEPS, TITLES, build, write_store

from deep_learning_dynamics import store
from deep_learning_dynamics.errors import ParamsError, ResultsError
from deep_learning_dynamics.results import Results
from deep_learning_dynamics.store.schema import grouped_by


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "snapshots" / "train.zarr"
    write_store(path, pairs=3, steps=STEPS[::8])
    return path


@pytest.fixture(scope="module")
def computed(runs):
    return Results.of(store.open(str(runs)))


def test_runs_without_a_folder_give_all_results(computed):
    assert computed.by == "condition"
    assert list(computed.projections) == ["pca"]
    assert computed.titles["condition"] == TITLES["condition"]
    assert computed.measures.by == "condition"
    assert computed.comparisons.contrasts == (("scratch", "pretrained"),)
    assert computed.ranking.items[0].method == "pca"
    assert computed.description == computed.projections["pca"].description


def test_what_stages_wrote_is_gathered(runs, computed):
    folder = runs.parent.parent
    computed.projections["pca"].save(folder / "projections" / "pca")
    computed.measures.save(folder / "measures")
    computed.comparisons.save(folder / "comparisons")
    (folder / "data").mkdir()
    provenance = {"label": "digits", "original": False}
    (folder / "data" / "digits.json").write_text(json.dumps(provenance))
    found = Results.gather(folder)
    assert found.provenance == ({"name": "digits", **provenance},)
    pd.testing.assert_frame_equal(found.scores, computed.scores)
    pd.testing.assert_frame_equal(found.measures.table, computed.measures.table)
    assert [item.measure for item in found.comparisons.items] == [
        item.measure for item in computed.comparisons.items
    ]
    found_, computed_ = (each.projections["pca"] for each in (found, computed))
    pd.testing.assert_frame_equal(found_.coordinates, computed_.coordinates)
    assert (found.by, found.titles) == (computed.by, computed.titles)


def test_missing_parts_are_none_and_damaged_ones_are_reported(tmp_path):
    nothing = Results.gather(tmp_path)
    parts = (nothing.scores, nothing.projections, nothing.measures, nothing.comparisons)
    assert parts == (None,) * 4
    assert nothing.by == ""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "digits.json").write_text("{")
    with pytest.raises(ResultsError, match=r"digits\.json cannot be read.*dvc repro fetch@digits"):
        Results.gather(tmp_path)


def test_the_grouping_is_a_coordinate_in_words_with_few_values():
    table = build(pairs=3, robust=False).scores
    assert grouped_by(table) == "condition"
    renamed = table.rename(columns={"condition": "optimiser"})
    assert grouped_by(renamed) == "optimiser"
    assert grouped_by(renamed.assign(optimiser="sgd")) == ""
    assert grouped_by(renamed.assign(optimiser=renamed["network"])) == ""
    assert grouped_by(renamed, "") == ""
    with pytest.raises(
        ParamsError, match=r"^by is 'optimizer', which is no .*expected .*optimiser"
    ):
        grouped_by(renamed, "optimizer")
