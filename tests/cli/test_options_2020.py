"""Options and records of the 2020 script become the settings that mean the same today."""

import json

import pytest
from project import ROOT

from deep_learning_dynamics.cli import records_2020, settings
from deep_learning_dynamics.cli.options_2020 import Options, refuse, translated, view
from deep_learning_dynamics.errors import ParamsError

RAW = {"network": {"hidden_layers": [8, 8, 8]}}
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
    ("options", "expected"),
    [
        (Options(iterations=10), {"train.epochs": 10}),
        (Options(networks=3), {"pairs": 3}),
        (Options(projection="SelfOrganisingMap"), {"project.methods": ["som"]}),
        (Options(projection="ae_tsne"), {"project.methods": ["autoencoder_tsne"]}),
        (Options(width=16), {"network.hidden_layers": [16, 16, 16]}),
        (Options(depth=2), {"network.hidden_layers": [8, 8]}),
        (Options(width=4, depth=1), {"network.hidden_layers": [4]}),
        (Options(activation="tanh"), {"network.activation": "tanh"}),
        (Options(learning_algorithm="adam"), {"train.optimiser": "adam"}),
        (
            Options(train_projection_model_on_first_only=True),
            {"project.fit_on_first_network_only": True},
        ),
        (
            Options(layer_to_track=0),
            {"view.parameters": ["hidden1.weight"], "view.separately": False},
        ),
        (
            Options(layer_to_track=-1),
            {"view.parameters": ["output.weight"], "view.separately": False},
        ),
        (
            Options(track_first_n_layers_separately=3),
            {"view.parameters": ["hidden2.weight", "hidden3.weight"], "view.separately": True},
        ),
    ],
)
def test_an_option_of_2020_is_a_setting_of_today(options, expected):
    assert translated(options, RAW).values == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(projection="mds"), "--projection is mds; expected"),
        (Options(learning_algorithm="lbfgs"), "no mini-batches"),
        (Options(width=0), "--width is 0"),
        (Options(layer_to_track=4), "expected 0 to 3"),
        (Options(track_first_n_layers_separately=1), "expected 2 to 3"),
    ],
)
def test_what_cannot_be_carried_over_is_refused(options, message):
    with pytest.raises(ParamsError, match=message):
        translated(options, RAW)


def test_depth_alone_needs_layers_of_one_width():
    with pytest.raises(ParamsError, match="expected --width"):
        translated(Options(depth=3), {"network": {"hidden_layers": [8, 4]}})


def test_one_layer_has_no_effect_beside_several():
    assert "no effect" in view(1, 2, 3).notices[1]


def test_options_that_are_gone_say_what_to_do_instead():
    refuse({"--dataset": "mnist", "--timestamp": None})
    with pytest.raises(ParamsError, match="dynamics list"):
        refuse({"--timestamp": "now"})


@pytest.fixture
def params(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path / "params.yaml"


def carried(params, record):
    file = params.with_name("17h.json")
    file.write_text(json.dumps(record))
    return records_2020.carried(file, params)


def test_a_record_of_2020_is_a_whole_valid_params_file(params):
    found = carried(params, RECORD)
    text = records_2020.as_yaml(found, params)
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
        (RECORD | {"training_iterations": "ten"}, 'training_iterations is "ten"'),
        (RECORD | {"network_parameters": {"solver": "lbfgs"}}, "lbfgs"),
        (RECORD | {"projection_model": "MDS"}, "projection_model is MDS"),
    ],
)
def test_what_is_no_record_is_refused_by_its_name(params, record, message):
    with pytest.raises(ParamsError, match=r"17h\.json.*" + message.replace("[", r"\[")):
        carried(params, record)


def test_averaged_layers_are_named_as_left_behind(params):
    found = carried(params, RECORD | {"average_hidden_layers": True})
    assert any("averaged" in line for line in found.left_behind)
