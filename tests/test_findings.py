"""The numbers of a run in MLflow: what stages wrote, under names that can be read."""

import json
import re

import pytest
from project_folder import finished_project

from deep_learning_dynamics.tracking.findings import findings


@pytest.fixture
def project(tmp_path):
    return finished_project(tmp_path / "project")


def found(project):
    return findings(project.root, project.params).metrics


def test_what_tests_found_of_a_projection_has_short_names(project):
    of_pca = {name: value for name, value in found(project).items() if name.startswith("pca.")}
    flat = {
        "pca.path_trustworthiness": 0.97,
        "pca.path_distance_correlation": 0.7,
        "pca.seed_disparity": 0.0,
        "pca.fold_disparity": 0.02,
        "pca.wobble": 0.06,
        "pca.random_walk.trustworthiness.median": 0.85,
        "pca.random_walk.trustworthiness.p_value": 0.4,
    }
    assert flat.items() <= of_pca.items()
    usual = ("trustworthiness", "continuity", "distance_correlation", "explained_variance")
    known = flat.keys() | {f"pca.{name}" for name in usual}
    assert {name for name in of_pca if not name.endswith((".rank", ".score"))} == known


def test_how_the_arms_differ_is_among_them_and_what_is_not_defined_is_not(project):
    compared = {n: v for n, v in found(project).items() if n.startswith("comparison.")}
    assert compared == {
        "comparison.path_length.difference": 1.5,
        "comparison.path_length.effect_size": 1.0,
        "comparison.path_length.adjusted_p": 1.0,
        "comparison.steps_to_90.adjusted_p": 1.0,
    }


def test_a_run_of_one_arm_has_no_comparison(tmp_path):
    project = finished_project(tmp_path / "project", arms=["scratch"])
    assert not [name for name in found(project) if name.startswith("comparison.")]


def test_tests_that_were_left_out_leave_no_numbers(project):
    """trust: {seeds: 0, folds: 0, nulls: 0}, as it was before there were such tests."""
    path = project.root / "projections" / "pca" / "quality.json"
    quality = json.loads(path.read_text())
    for key in ("along_paths", "stability", "nulls"):
        del quality[key]
    path.write_text(json.dumps(quality))
    assert not [
        n for n in found(project) if "disparity" in n or "random_walk" in n or "path_t" in n
    ]
    quality["stability"] = {"seeds": {"refits": 4, "disparity": 0.1, "maximum": 0.2}}
    path.write_text(json.dumps(quality))
    assert found(project)["pca.seed_disparity"] == 0.1
    assert "pca.fold_disparity" not in found(project)


def test_mlflow_allows_all_names(project):
    names = found(project)
    assert len(names) > 40
    assert [name for name in names if not re.fullmatch(r"[\w./-]{1,250}", name, re.ASCII)] == []
