"""params.yaml: what is allowed gets in, everything else gets one clear message."""

import re
from pathlib import Path

import pytest

from deep_learning_dynamics import params
from deep_learning_dynamics.errors import ParamsError


def message(raw):
    with pytest.raises(ParamsError) as error:
        params.validate(raw)
    return str(error.value)


def test_the_default_parameters_are_valid(raw_params):
    assert params.validate(raw_params).train.networks == 5


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", "10", 'train.epochs is "10"; expected a whole number from 1 to 10,000.'),
        ("train.epochs", 1.5, "train.epochs is 1.5; expected a whole number from 1 to 10,000."),
        ("train.networks", 0, "train.networks is 0; expected a whole number from 1 to 10,000."),
        (
            "train.learning_rate",
            float("nan"),
            "train.learning_rate is NaN; expected a number above 0.",
        ),
        (
            "train.learning_rate",
            float("inf"),
            "train.learning_rate is Infinity; expected a number above 0.",
        ),
        ("train.weight_decay", -1, "train.weight_decay is -1; expected a number of 0 or more."),
        ("track.biases", 1, "track.biases is 1; expected true or false."),
        ("seed", None, "seed is null; expected a whole number from 0 to 4,294,967,295."),
        ("seed", True, "seed is true; expected a whole number from 0 to 4,294,967,295."),
        ("train.algorithm", "rmsprop", 'train.algorithm is "rmsprop"; expected sgd or adam.'),
        ("train.arms", [], "train.arms is []; expected a list, each scratch or pretrained."),
        (
            "network.hidden_layers",
            [8, 0],
            "network.hidden_layers is [8, 0]; expected a list, each a whole number from 1 to 4,096.",
        ),
        (
            "track.layers",
            "some",
            'track.layers is "some"; expected all, or a list, each a whole number from 1 to 1,000.',
        ),
        (
            "pretrain.snapshots.per_epoch",
            0,
            "pretrain.snapshots.per_epoch is 0; expected a whole number from 1 to 10,000.",
        ),
        (
            "project.som",
            20,
            "project.som is 20; expected a section with the keys rows, columns, updates, learning_rate, radius.",
        ),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_allowed(changed, key, value, expected):
    assert message(changed({key: value})) == f"params.yaml: {expected}"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("train.epoch", "train.epochs"),
        ("trian", "train"),
        ("project.som.row", "project.som.rows"),
        ("pretrain.snapshots.perepoch", "pretrain.snapshots.per_epoch"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(changed, key, nearest):
    assert message(changed({key: 3})) == (
        f"params.yaml: {key} = 3 is not a known key. Did you mean {nearest}?"
    )


def test_a_missing_key_is_named(changed):
    raw = changed({})
    del raw["train"]["epochs"]
    assert message(raw) == (
        "params.yaml: train.epochs is missing; expected a whole number from 1 to 10,000."
    )


def test_every_problem_is_told_at_once(changed):
    text = message(changed({"seed": -1, "train.networks": 0, "network.activation": "softplus"}))
    assert [re.search(r"params.yaml: (\S+)", line)[1] for line in text.splitlines()] == [
        "seed",
        "network.activation",
        "train.networks",
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"project.methods": ["pca", "pca"]}, "project.methods names pca more than once"),
        ({"track.layers": [7]}, "track.layers names layer 7; expected numbers from 1 to 6"),
        ({"track.separately": True}, "differ in shape (layer 1: 784×8, layer 2: 8×8"),
        (
            {"track.average_hidden_layers": True, "track.layers": [2, 3]},
            "expected track.layers: all",
        ),
        (
            {"track.average_hidden_layers": True, "network.hidden_layers": [8]},
            "no hidden-to-hidden layer",
        ),
        ({"track.average_hidden_layers": True, "network.hidden_layers": [8, 4, 8]}, "of one width"),
    ],
)
def test_values_that_do_not_go_together_are_refused(changed, values, problem):
    assert problem in message(changed(values))


def test_layers_of_one_shape_can_be_tracked_separately(settings):
    assert settings({"track.separately": True, "track.layers": [2, 3]}).track.layers == (2, 3)


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    """YAML 1.1 readers take 1e-4 for a text; DVC does not, and neither do we."""
    (tmp_path / "params.yaml").write_text("a: 1e-4\nb: no\n")
    assert params.read(tmp_path / "params.yaml") == {"a": 1e-4, "b": "no"}


@pytest.mark.parametrize("text", ["seed: [", "- a list", "", "seed: 1\nseed: 2"])
def test_a_file_that_is_no_params_yaml_gets_one_message(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=r"params\.yaml (is not valid YAML|holds)"):
        params.load(path)


def test_a_missing_file_gets_one_message(tmp_path):
    with pytest.raises(ParamsError, match="does not exist"):
        params.load(tmp_path / "params.yaml")


def test_flattening_gives_dotted_keys():
    assert params.flattened({"a": {"b": {"c": 1}, "d": [2]}, "e": 3}) == {
        "a.b.c": 1,
        "a.d": [2],
        "e": 3,
    }


def test_params_yaml_fits_on_one_screen_and_explains_every_key(raw_params):
    lines = (Path(__file__).parents[1] / "params.yaml").read_text().splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 120
