"""params.yaml: what is allowed gets in, everything else gets one clear message."""

import re
import subprocess
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest

from deep_learning_dynamics import tracking
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.projection import METHODS
from deep_learning_dynamics.study import agreement, params
from deep_learning_dynamics.study.datasets import DATASETS

ROOT = Path(__file__).parents[2]

WHOLE = "a whole number from 1 to 10,000"


def message(raw, **options):
    with pytest.raises(ParamsError) as error:
        params.validate(raw, **options)
    return str(error.value)


def test_the_default_parameters_are_valid_and_are_those_of_the_question(settings):
    default = settings()
    assert default.pairs == 20
    assert default.twins
    assert default.conditions == ("scratch", "pretrained")
    assert default.train.learning_rate == default.pretrain.learning_rate == 0.03


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train.epochs", "10", f'train.epochs is "10"; expected {WHOLE}.'),
        ("train.epochs", 1.5, f"train.epochs is 1.5; expected {WHOLE}."),
        ("pairs", 0, f"pairs is 0; expected {WHOLE}."),
        (
            "train.learning_rate",
            float("nan"),
            "train.learning_rate is NaN; expected a number above 0 and up to 1,000,000.",
        ),
        (
            "train.weight_decay",
            -1,
            "train.weight_decay is -1; expected a number from 0 to 1,000,000.",
        ),
        ("twins", 1, "twins is 1; expected true or false."),
        ("seed", None, "seed is null; expected a whole number from 0 to 4,294,967,295."),
        ("seed", True, "seed is true; expected a whole number from 0 to 4,294,967,295."),
        (
            "train.optimiser",
            "sdg",
            'train.optimiser is "sdg"; expected sgd or adam. Did you mean sgd?',
        ),
        (
            "conditions",
            [],
            "conditions is []; expected a list of at least 1, each scratch or pretrained or permuted or "
            "rescaled or shuffled_labels.",
        ),
        (
            "network.hidden_layers",
            [8, 0],
            "network.hidden_layers is [8, 0]; expected a list of at least 1, each a whole number "
            "from 1 to 4,096.",
        ),
        (
            "project.som",
            {"radius": 1e-300},
            "project.som.radius is 1e-300; expected a number from 1 to 64.",
        ),
        (
            "view.snapshots",
            1,
            "view.snapshots is 1; expected a whole number from 2 to 1,000,000, or null.",
        ),
        (
            "contrasts",
            [["scratch"]],
            'contrasts is [["scratch"]]; expected a list, each a list of 2: scratch or pretrained '
            "or permuted or rescaled or shuffled_labels, scratch or pretrained or permuted or "
            "rescaled or shuffled_labels.",
        ),
        (
            "figures.formats",
            ["gif"],
            'figures.formats is ["gif"]; expected a list of at least 1, each png or svg or pdf.',
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
        ("project.som", {"row": 3}),
        ("pretrain.snapshots.perepoch", "pretrain.snapshots.per_epoch"),
        ("network.activaton", "network.activation"),
        ("batch_size", "train.batch_size"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(changed, key, nearest):
    value = 3
    if isinstance(nearest, dict):
        key, value, nearest = "project.som", nearest, "project.som.rows"
        assert message(changed({key: value})) == (
            f"params.yaml: project.som.row = 3 is not a known key. Did you mean {nearest}?"
        )
        return
    assert message(changed({key: value})) == (
        f"params.yaml: {key} = 3 is not a known key. Did you mean {nearest}?"
    )


@pytest.mark.parametrize("key", ["train.epochs", "seed", "network.kind"])
def test_a_missing_key_is_named(changed, key):
    raw = changed({})
    *sections, name = key.split(".")
    section = raw
    for part in sections:
        section = section[part]
    del section[name]
    assert re.match(rf"params\.yaml: {key} is missing; expected .+\.", message(raw))


def test_every_problem_is_named_at_once(changed):
    text = message(changed({"seed": -1, "pairs": 0, "network.activation": "softplus"}))
    assert [re.search(r"params.yaml: (\S+)", line)[1] for line in text.splitlines()] == [
        "seed",
        "network.activation",
        "pairs",
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"project.methods": ["pca", "pca"]}, "project.methods names pca more than once"),
        ({"conditions": ["scratch", "scratch"]}, "conditions names scratch more than once"),
        ({"contrasts": [["scratch", "rescaled"]]}, "contrasts names rescaled, which is not in"),
        ({"contrasts": [["scratch", "scratch"]]}, "contrasts compares scratch with itself"),
        ({"pretrain.dataset": "mnist"}, "pretrain.dataset and train.dataset are both mnist"),
        (
            {"view.parameters": ["hidden9.weight"]},
            "view.parameters: No parameter is called 'hidden9.weight'; these are there: hidden1",
        ),
        ({"project.umap": None}, "project.umap is missing, but project.methods names umap"),
    ],
)
def test_values_that_do_not_go_together_are_refused(changed, values, problem):
    assert problem in message(changed(values))


def test_too_many_rows_for_a_method_are_refused_by_name_before_anything_runs(changed, monkeypatch):
    monkeypatch.setattr(METHODS["umap"], "most_rows", 1000)
    text = message(changed({"pairs": 100}))
    assert text.startswith(
        "params.yaml: project.methods names umap, which takes at most 1,000 rows"
    )
    assert "200 networks × their snapshots = 9,100 rows" in text
    assert "view.snapshots (now null)" in text
    assert params.validate(changed({"pairs": 100, "project.methods": ["pca"]})).pairs == 100


@pytest.mark.parametrize(("limit", "what"), [("memory", "of memory"), ("disk", "of disk")])
def test_more_networks_than_fit_are_refused(changed, monkeypatch, limit, what):
    if limit == "memory":
        monkeypatch.setattr(agreement.environment, "memory", lambda: 10**7)
    else:
        free = type("Usage", (), {"free": 10**7})
        monkeypatch.setattr(agreement.shutil, "disk_usage", lambda path: free)
    text = message(changed({}))
    assert what in text
    assert text.startswith("params.yaml: pairs is 20: ")


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    """YAML 1.1 readers take 1e-4 for a text; DVC does not, and neither do we."""
    (tmp_path / "params.yaml").write_text("a: 1e-4\nb: no\n")
    assert params.read(tmp_path / "params.yaml") == {"a": 1e-4, "b": "no"}


@pytest.mark.parametrize(
    "text",
    [
        "seed: [",
        "- a list",
        "",
        "seed: 1\nseed: 2",
        "seed: 2020-13-45",
        "seed: 2020-01-01",
        'seed: "\\ud800"',
        "seed: " + "[" * 2000 + "]" * 2000,
        "seed: " + "[" * 60 + "]" * 60,
        "seed: &s [*s]",
        "? [a, b]\n: 1",
        "seed: !!python/object:os.system x",
        "\x00",
        "seed: 1" + "0" * 5000,
        "null: 1",
    ],
)  # fmt: skip
def test_a_file_that_is_no_params_yaml_gets_clear_lines(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as error:
        params.load(path)
    lines = str(error.value).splitlines()
    assert lines
    assert all("params.yaml" in line and len(line) < 500 for line in lines)
    "\n".join(lines).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seed 0\ntrain:\n  epochs: 3\n", "line 2, column 6: a colon that does not belong here"),
        ("seed: 0\ntrain:\n\tepochs: 3\n", "line 3, column 1: a tab; expected spaces"),
        ("seed: [1\n", "line 2, column 1: expected ',' or ']'"),
        ("", "holds no settings; expected sections such as network, train"),
        ("# nothing but a comment\n", "holds no settings; expected sections such as"),
    ],
)
def test_a_damaged_file_is_one_line_with_the_place_and_the_command_that_restores_it(
    tmp_path, text, found
):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    for restores in (False, True):
        with pytest.raises(ParamsError) as error:
            params.load(path)
        said = str(error.value)
        assert found in said
        assert said.count("\n") == 0
        assert said.endswith("restore it as committed: git checkout params.yaml.") == restores
        for command in ("init --quiet", "add params.yaml"):
            subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)


def test_bytes_that_are_no_text_get_one_message(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00seed")
    with pytest.raises(ParamsError, match="is not valid YAML"):
        params.load(path)


def test_aliases_that_multiply_and_lists_in_lists_are_refused_at_once(tmp_path):
    path = tmp_path / "params.yaml"
    lines = ["seed: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 30)]
    path.write_text("\n".join(lines))
    with pytest.raises(ParamsError, match=r"^params.yaml: a\d+ is more than 100,000 values"):
        params.load(path)
    path.write_text(f"seed: {'[' * 60}1{']' * 60}")
    with pytest.raises(ParamsError, match=r"^params.yaml: seed is nested too deeply"):
        params.load(path)


@pytest.mark.parametrize("kind", ["missing", "a folder"])
def test_a_file_that_cannot_be_read_gets_one_message(tmp_path, kind):
    path = tmp_path / "params.yaml"
    if kind == "a folder":
        path.mkdir()
    with pytest.raises(ParamsError, match=r"does not exist|cannot be read: Is a directory"):
        params.load(path)


def test_where_no_key_is_similar_those_of_the_section_are_listed(changed):
    text = message(changed({"train.lr": 0.1}))
    assert text.startswith(
        "params.yaml: train.lr = 0.1 is not a known key; expected one of dataset"
    )
    assert "learning_rate" in text
    assert "Did you mean" not in text


def test_a_stage_gets_its_sections_and_no_other(raw_params):
    loaded = params.validate(raw_params, sections=("seed", "train"))
    assert loaded.train.epochs == 10
    with pytest.raises(AttributeError):
        loaded.pairs  # noqa: B018


def test_a_mistake_elsewhere_does_not_stop_a_stage_but_an_unknown_section_does(changed):
    loaded = params.validate(changed({"train.epochs": 0}), sections=("seed",))
    assert loaded.seed == 0
    text = message(changed({"tarin": {}}), sections=("seed",))
    assert text == "params.yaml: tarin = {} is not a known key. Did you mean train?"


def test_settings_of_methods_have_the_defaults_of_their_code(settings):
    project = settings({"project.som": {"rows": 5}}).project
    som = project.settings("som")
    assert som.rows == 5
    for field in fields(METHODS["som"].Settings):
        if field.name != "rows":
            assert getattr(som, field.name) == field.default


def test_plain_values_have_all_defaults_and_are_valid_again(settings):
    plain = settings({"project.som": {}}).as_json()
    assert plain["project"]["som"]["rows"] == METHODS["som"].settings().rows
    assert params.validate(plain).as_json() == plain


def test_the_keys_of_a_plug_in_are_known_once_it_is_named(changed, tmp_path, monkeypatch):
    (tmp_path / "of_mine.py").write_text(
        "from dataclasses import dataclass\n"
        "from deep_learning_dynamics.study.datasets import DATASETS, DatasetCard, Dataset\n"
        "@DATASETS.register\n"
        "class Stripes(Dataset):\n"
        "    key, title, target = 'stripes', 'Stripes', 'stripe'\n"
        "    about = DatasetCard('Stripes', 'Stripes.')\n"
        "    @dataclass(frozen=True)\n"
        "    class Settings:\n"
        "        width: int = 3\n"
    )
    values = {"train.dataset": "stripes"}
    assert "expected mnist or omniglot" in message(changed(values))
    raw = changed(values | {"plugins": ["of_mine"], "data.stripes": {"width": 5}})
    try:
        loaded = params.validate(raw, folder=tmp_path)
        assert loaded.data.settings("stripes").width == 5
        raw["data"]["stripes"] = {"width": "wide"}
        assert 'data.stripes.width is "wide"; expected a whole number.' in message(
            raw, folder=tmp_path
        )
        recorded = params.record_plugins(("of_mine",))
        assert len(recorded["of_mine"]["of_mine.py"]) == 64
    finally:
        DATASETS._variants.pop("stripes")


def test_a_plug_in_that_is_not_there_is_named(changed):
    text = message(changed({"plugins": ["no_such_module"]}))
    assert text.startswith("params.yaml: plugins names no_such_module, which cannot be imported")


def test_flattening_gives_dotted_keys():
    nested = {"a": {"b": {"c": 1}, "d": [2]}, "e": 3, "f": {}}
    assert tracking.flattened(nested) == {"a.b.c": 1, "a.d": [2], "e": 3, "f": {}}


def test_robustness_is_a_preset_or_settings(settings, changed):
    assert settings({"robustness": "full"}).robustness_settings().nulls >= 39
    assert settings({"robustness": {"nulls": 40}}).robustness_settings().nulls == 40
    assert 'robustness is "much"; expected' in message(changed({"robustness": "much"}))


def test_params_yaml_fits_on_two_screens_and_its_old_names_are_gone(raw_params):
    lines = (ROOT / "params.yaml").read_text().splitlines()
    assert len(lines) <= 75
    assert max(map(len, lines)) <= 100
    assert not {"arms", "trust", "track"} & {
        part for key in tracking.flattened(raw_params) for part in key.split(".")
    }


def test_a_projection_is_fitted_on_the_first_network_only_where_this_is_set(settings):
    rows = pd.DataFrame({"path": [0, 0, 1]})
    only = settings({"project.fit_on_first_network_only": True}).projection_options("pca")
    assert rows.eval(only["fit_on"]).tolist() == [True, True, False]
    assert settings({"seed": 3}).projection_options("pca")["fit_on"] is None


def test_conditions_are_compared_with_the_first_unless_contrasts_are_set(settings):
    three = {"conditions": ["scratch", "pretrained", "permuted"]}
    contrasts = settings(three).comparison_options()["contrasts"]
    assert contrasts == [("scratch", "pretrained"), ("scratch", "permuted")]
    own = settings(three | {"contrasts": [["permuted", "pretrained"]]}).comparison_options()
    assert own["contrasts"] == (("permuted", "pretrained"),)
