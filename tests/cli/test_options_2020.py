"""Options and records of the 2020 script become the settings that mean the same today."""

import json

import pytest
from project import ROOT

from deep_learning_dynamics.cli import importing, settings
from deep_learning_dynamics.cli.options_2020 import translated, view, with_options
from deep_learning_dynamics.errors import ParamsError

RECORD = {
    "training_iterations": 10,
    "projection_model": "PrincipalComponentAnalysis",
    "number_of_networks": 3,
    "notes": "a first try",
    "network_parameters": {
        "hidden_layer_sizes": [8, 8, 8, 8, 8], "activation": "tanh", "solver": "adam",
        "alpha": 0.001, "learning_rate_init": 0.01, "batch_size": "auto", "max_iter": 1,
        "early_stopping": True,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"iterations": 10}, {"train.epochs": 10}),
        ({"networks": 3}, {"pairs": 3}),
        ({"projection": "SelfOrganisingMap"}, {"project.methods": ["som"]}),
        ({"projection": "ae_tsne"}, {"project.methods": ["autoencoder_tsne"]}),
        ({"width": 16}, {"network.hidden_layers": [16, 16, 16]}),
        ({"depth": 2}, {"network.hidden_layers": [8, 8]}),
        ({"width": 4, "depth": 1}, {"network.hidden_layers": [4]}),
        ({"activation": "tanh"}, {"network.activation": "tanh"}),
        ({"learning_algorithm": "adam"}, {"train.optimiser": "adam"}),
        (
            {"train_projection_model_on_first_only": True},
            {"project.fit_on_first_network_only": True},
        ),
        ({"layer_to_track": 0}, {"view.parameters": ["hidden1.weight"], "view.separately": False}),
        ({"layer_to_track": -1}, {"view.parameters": ["output.weight"], "view.separately": False}),
        (
            {"track_first_n_layers_separately": 3},
            {"view.parameters": ["hidden2.weight", "hidden3.weight"], "view.separately": True},
        ),
    ],
)
def test_an_option_of_2020_is_a_setting_of_today(given, expected):
    assert translated(given, [8, 8, 8]) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"projection": "mds"}, "project.methods is "),
        ({"learning_algorithm": "lbfgs"}, 'train.optimiser is "lbfgs"; expected sgd or adam'),
        ({"width": 0}, "network.hidden_layers is "),
        ({"layer_to_track": 6}, "expected 0 to 5"),
        ({"track_first_n_layers_separately": 1}, "expected 2 to 5"),
        ({"timestamp": "now"}, "dynamics list"),
        ({"average_hidden_layers": True}, "no longer averaged"),
        ({"dataset": "omniglot"}, r"conditions=\[scratch\]"),
    ],
)
def test_what_cannot_be_carried_over_is_refused(params, given, message):
    with pytest.raises(ParamsError, match=message):
        settings.checked(params.parent, with_options(params.parent, {}, given))


def test_options_go_with_settings_but_not_for_the_same_key(params):
    given = {"dataset": "mnist", "width": 4, "timestamp": None, "dont_save": False, "note": "x"}
    values = with_options(params.parent, {"network.hidden_layers": [8, 8]}, {"layer_to_track": 1})
    assert values["view.parameters"] == ["hidden2.weight"]
    values = with_options(params.parent, {"seed": 1}, given)
    assert values == {"seed": 1, "network.hidden_layers": [4, 4, 4, 4, 4]}
    with pytest.raises(ParamsError, match="expected one of them"):
        with_options(params.parent, {"network.hidden_layers": [8, 8]}, given)


def test_depth_alone_needs_layers_of_one_width():
    with pytest.raises(ParamsError, match="expected --width"):
        translated({"depth": 3}, [8, 4])


def test_one_layer_has_no_effect_beside_several():
    assert view(1, 2, 3) == view(None, 2, 3)


@pytest.fixture
def params(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path / "params.yaml"


def carried(params, record):
    file = params.with_name("17h.json")
    file.write_text(json.dumps(record))
    return importing.carried(file, params)


def test_a_record_of_2020_is_a_whole_valid_params_file(params):
    found = carried(params, RECORD)
    text = importing.as_yaml(found, params)
    params.write_text(text)
    full = settings.checked(params.parent, {})
    assert full["conditions"] == ["scratch"]
    assert full["pairs"] == 3
    assert full["network"]["activation"] == "tanh"
    assert full["train"]["optimiser"] == "adam"
    assert full["train"]["weight_decay"] == 0.001
    assert full["train"]["snapshots"] == {"first_epoch": 1, "per_epoch": 1}
    assert text.startswith("# 17h.json, an experiment of 2020: a first try\n")
    assert any("early_stopping" in line for line in found.left_behind)
    assert any("random numbers" in line for line in found.left_behind)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "is not a record of 2020: it has no training_iterations"),
        ([1], "is not a record of 2020"),
        (RECORD | {"training_iterations": "ten"}, 'train.epochs is "ten"'),
        (RECORD | {"network_parameters": {"solver": "lbfgs"}}, "lbfgs"),
        (RECORD | {"network_parameters": [8]}, "network_parameters is no object"),
        (RECORD | {"layer_to_track": "first"}, "layer_to_track is first"),
        (RECORD | {"projection_model": "MDS"}, "project.methods is .*MDS"),
    ],
)
def test_what_is_no_record_is_refused_by_its_name(params, record, message):
    with pytest.raises(ParamsError, match=r"17h\.json.*" + message.replace("[", r"\[")):
        carried(params, record)


def test_averaged_layers_are_named_as_left_behind(params):
    found = carried(params, RECORD | {"average_hidden_layers": True})
    assert any("averaged" in line for line in found.left_behind)
