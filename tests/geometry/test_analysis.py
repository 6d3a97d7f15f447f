"""Findings of analyses: kept, gathered, and left out where a store does not allow them."""

import numpy as np
import pandas as pd
import pytest
from hand_made_stores import dataset, walks

from deep_learning_dynamics.errors import ParamsError, ResultsError
from deep_learning_dynamics.geometry import ANALYSES, Finding, Geometry, analyse


def per_network(measure, *values):
    names = [f"network-{index}" for index in range(len(values))]
    return pd.DataFrame({"network": names, "measure": measure, "value": values})


def test_findings_come_back_from_their_files_with_the_same_bytes(tmp_path):
    table = pd.DataFrame({"x": [1.5, np.nan], "name": ["a", "b"]})
    geometry = Geometry(
        {"one": Finding({"t": table}, {"n": 3}, per_network("m", 0.5)), "two": Finding()}
    )
    geometry.save(tmp_path / "geometry")
    found = Geometry.load(tmp_path / "geometry")
    assert list(found.findings) == ["one", "two"]
    assert found.get("one").tables["t"].equals(table)
    assert found.get("one").numbers == {"n": 3}
    assert found.measures["value"].tolist() == [0.5]
    assert found.get("three") is None
    found.save(tmp_path / "again")
    for path in (tmp_path / "geometry").rglob("*.*"):
        again = tmp_path / "again" / path.relative_to(tmp_path / "geometry")
        assert again.read_bytes() == path.read_bytes()


def test_a_damaged_table_is_named(tmp_path):
    Geometry({"one": Finding({"t": pd.DataFrame({"x": [1.5]})})}).save(tmp_path)
    (tmp_path / "one" / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match=r"t\.parquet cannot be read .* dvc repro geometry"):
        Geometry.load(tmp_path)


def test_last_digits_that_processors_differ_in_are_no_part_of_measures():
    one, other = (
        Geometry({"a": Finding(measures=per_network("m", 0.1 * scale, np.inf, np.nan))}).measures
        for scale in (1, 1 + 1e-13)
    )
    assert one.equals(other)
    assert one["value"].tolist()[1] == np.inf
    assert one["value"][0] == pytest.approx(0.1)


def test_no_analyses_find_nothing(tmp_path):
    geometry = analyse(dataset(walks(2, 3)), analyses=[])
    assert geometry.measures.columns.tolist() == ["network", "measure", "value"]
    geometry.save(tmp_path / "geometry")
    assert Geometry.load(tmp_path / "geometry").findings == {}


def test_what_a_store_does_not_allow_is_left_out_and_progress_counts_it():
    seen = []
    needy = [key for key, each in ANALYSES.items() if each.needs]
    found = analyse(dataset(walks(2, 3)), analyses=needy, progress=lambda *done: seen.append(done))
    assert found.findings == {}
    assert seen == [(done, len(needy)) for done in range(1, len(needy) + 1)]


def test_an_unknown_analysis_is_refused_with_what_there_is():
    with pytest.raises(ParamsError, match=r"not a known analysis; expected one of .*barriers"):
        analyse(dataset(walks(2, 3)), analyses=["barier"])
