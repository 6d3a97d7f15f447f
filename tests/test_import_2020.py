"""Records of the 2020 script become parameters; what cannot be carried over is named."""

import json

import pytest
from conftest import ROOT
from ruamel.yaml import YAML
from typer.testing import CliRunner

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.cli import app
from deep_learning_dynamics.errors import ParamsError
from deep_learning_dynamics.lab import records_2020

PATH = ROOT / "params.yaml"
FIRST = {  # the example of the old README
    "training_iterations": 10,
    "projection_model": "SelfOrganisingMap",
    "train_projection_model_on_first_only": True,
    "number_of_networks": 3,
    "average_hidden_layers": True,
}
LATER = {
    "notes": "logistic: does it\nlearn at all?",
    "training_iterations": 30,
    "projection_model": "AE_Tsne",
    "train_projection_model_on_first_only": False,
    "number_of_networks": 2,
    "network_parameters": {
        "hidden_layer_sizes": [16, 16, 16],
        "activation": "logistic",
        "alpha": 0.001,
        "solver": "adam",
        "learning_rate_init": 0.01,
    },
    "layer_to_track": None,
    "average_hidden_layers": False,
    "track_first_n_layers_separately": None,
}


@pytest.fixture
def record(tmp_path):
    """Write a record, by default the first one with changes; ``None`` takes a key out."""

    def write(base=FIRST, name="17h32m49s22June2020.json", **changes):
        path = tmp_path / name
        path.write_text(json.dumps(base | changes))
        return path

    return write


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_bytes(PATH.read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params_of(path):
    return records_2020.checked(records_2020.carried(path, PATH), PATH)


class TestCarriedOver:
    def test_the_first_records(self, record):
        params = params_of(record())
        assert params.train.arms == ("scratch",)
        assert (params.train.epochs, params.train.networks) == (10, 3)
        assert params.project.methods == ("som",)
        assert params.project.fit_on_first_network_only
        assert params.track.average_hidden_layers
        assert not params.track.biases
        # The script's one network of that time.
        assert params.network.hidden_layers == (8, 8, 8, 8, 8)
        assert (params.train.algorithm, params.train.learning_rate) == ("sgd", 0.1)

    def test_later_records_with_a_network_of_their_own(self, record):
        experiment = records_2020.carried(record(LATER), PATH)
        params = records_2020.checked(experiment, PATH)
        assert params.network.hidden_layers == (16, 16, 16)
        assert params.network.activation == "logistic"
        assert params.train.weight_decay == 0.001
        assert (params.train.algorithm, params.train.learning_rate) == ("adam", 0.01)
        assert params.train.batch_size == 200
        assert params.track.layers == "all"
        assert experiment.note == "logistic: does it\nlearn at all?"

    def test_a_snapshot_after_each_iteration_and_an_order_of_its_own_for_each_network(self, record):
        train = params_of(record()).train
        assert (train.snapshots.first_epoch, train.snapshots.per_epoch) == (1, 1)
        assert train.batch_order == "per_network"

    def test_a_network_without_parameters_is_scikit_learns(self, record):
        params = params_of(record(network_parameters=None))
        assert params.network.hidden_layers == (100,)
        assert (params.train.algorithm, params.train.learning_rate) == ("adam", 0.001)

    @pytest.mark.parametrize(
        ("changes", "layers", "separately"),
        [
            ({"layer_to_track": 0}, (1,), False),
            ({"layer_to_track": 3}, (4,), False),
            ({"layer_to_track": -1}, (6,), False),
            ({"track_first_n_layers_separately": 5}, (2, 3, 4, 5), True),
            ({"track_first_n_layers_separately": 5, "layer_to_track": 1}, (2, 3, 4, 5), True),
            ({"track_first_n_layers_separately": False, "layer_to_track": 1}, (2,), False),
        ],
    )
    def test_layers_are_those_that_2020_tracked(self, record, changes, layers, separately):
        track = params_of(record(**changes)).track
        assert (track.layers, track.separately) == (layers, separately)
        assert not track.average_hidden_layers

    def test_what_a_record_does_not_say_stays_as_in_params_yaml(self, record):
        usual, params = parameters.load(PATH), params_of(record())
        assert (params.project.som, params.pretrain, params.data) == (
            usual.project.som,
            usual.pretrain,
            usual.data,
        )

    def test_what_yaml_could_not_hold_is_left_out_of_a_note(self, record):
        path = record(notes="a \a bell\nand \x00 nothing")
        text = records_2020.as_yaml(records_2020.carried(path, PATH), PATH)
        assert text.splitlines()[0].endswith(": a bell and nothing")
        assert YAML(typ="safe", pure=True).load(text)["train"]["arms"] == ["scratch"]

    @pytest.mark.parametrize("notes", ["...", "", None])
    def test_the_scripts_own_dots_are_no_note(self, record, notes):
        assert records_2020.carried(record(notes=notes), PATH).note == ""


class TestNamed:
    @pytest.mark.parametrize(
        ("changes", "line"),
        [
            ({"colour": "red"}, 'colour = "red": not a setting of 2020 that is known'),
            ({}, "network_parameters: not in this record"),
            (
                {"network_parameters": {"momentum": 0.5}},
                "network_parameters.momentum = 0.5: there is no such setting",
            ),
            (
                {"network_parameters": {"random_state": 3}},
                "network_parameters.random_state = 3: there is no such setting",
            ),
            (
                {"layer_to_track": 3},
                "layer_to_track 3: layer 4, because 2020 numbered layers from 0",
            ),
            (
                {"track_first_n_layers_separately": 3, "layer_to_track": 3},
                "layer_to_track has no effect beside track_first_n_layers_separately",
            ),
            ({}, "2020 left the last one out of the average"),
            (
                {"network_parameters": {"hidden_layer_sizes": [8, 8]}},
                "average_hidden_layers has no effect with fewer than three hidden layers",
            ),
            ({}, "the random numbers: 2020 drew them without a seed"),
        ],
    )
    def test_what_is_not_carried_over_is_named(self, record, changes, line):
        left = records_2020.carried(record(**changes), PATH).left_behind
        assert any(line in entry for entry in left), left

    def test_what_ours_does_as_well_is_not(self, record):
        same = {"momentum": 0.9, "nesterovs_momentum": True, "max_iter": 200, "batch_size": "auto"}
        left = records_2020.carried(record(LATER, network_parameters=same), PATH).left_behind
        assert not any("network_parameters" in entry for entry in left), left


class TestBadFiles:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (None, "record.json does not exist; expected a record of 2020"),
            (b"[1", "record.json is not valid JSON: "),
            (b"\xff\xfe", "record.json is not valid JSON: "),
            (b"[]", "record.json is not a record of 2020: it has no training_iterations"),
            (b'{"training_iterations": 3}', "it has no projection_model, number_of_networks"),
        ],
    )
    def test_a_file_that_is_no_record_gets_one_clear_line(self, project, content, message):
        if content is not None:
            (project / "record.json").write_bytes(content)
        result = CliRunner().invoke(app, ["import", "record.json"])
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert result.stdout == ""

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"training_iterations": "ten"},
                'training_iterations is "ten"; expected a whole number.',
            ),
            ({"number_of_networks": True}, "number_of_networks is true; expected a whole number."),
            (
                {"training_iterations": 0},
                "train.epochs is 0; expected a whole number from 1 to 10,000.",
            ),
            (
                {"projection_model": "MDS"},
                "projection_model is MDS; expected PrincipalComponentAnalysis or",
            ),
            ({"layer_to_track": 6}, "layer_to_track is 6; expected 0 to 5"),
            (
                {"network_parameters": {"solver": "lbfgs"}},
                "network_parameters.solver is lbfgs, which cannot be carried over",
            ),
            (
                {"network_parameters": {"alpha": "small"}},
                'network_parameters.alpha is "small"; expected a number',
            ),
        ],
    )
    def test_a_value_that_is_not_possible_names_file_and_key(self, record, changes, message):
        path = record(**changes)
        with pytest.raises(ParamsError) as error:
            records_2020.carried(path, PATH)
        assert str(error.value).startswith(f"{path.name}: {message}")


class TestCommand:
    def test_it_prints_a_params_yaml_with_its_comments(self, record, project):
        result = CliRunner().invoke(app, ["import", str(record(LATER))])
        assert result.exit_code == 0
        head, *rest = result.stdout.splitlines()
        assert head == (
            "# 17h32m49s22June2020.json, an experiment of 2020: logistic: does it learn at all?"
        )
        assert "  epochs: 30" in rest
        (project / "printed.yaml").write_text(result.stdout)
        assert parameters.load(project / "printed.yaml") == params_of(record(LATER))
        assert result.stdout.count("#") == PATH.read_text().count("#") + 1
        assert "17h32m49s22June2020.json, not carried over or changed:" in result.stderr

    def test_several_files_are_several_documents(self, record, project):
        files = [str(record()), str(record(LATER, "later.json"))]
        result = CliRunner().invoke(app, ["import", *files])
        documents = result.stdout.split("---\n")
        assert [document.splitlines()[0].split(",")[0] for document in documents] == [
            "# 17h32m49s22June2020.json",
            "# later.json",
        ]

    def test_printing_into_params_yaml_itself_is_explained(self, record, project):
        path = record()
        (project / "params.yaml").write_text("")  # as a shell does before we start
        result = CliRunner().invoke(app, ["import", str(path)])
        assert result.exit_code == 2
        assert "git checkout params.yaml" in result.stderr

    def test_with_run_every_record_runs_with_its_note(self, record, project, monkeypatch):
        from deep_learning_dynamics import experiments

        ran = []
        monkeypatch.setattr(experiments, "run", lambda *given: ran.append(given))
        files = [str(record()), str(record(LATER, "later.json"))]
        result = CliRunner().invoke(app, ["import", "--run", *files])
        assert result.exit_code == 0, result.output
        assert [(root, values["train.epochs"], note) for root, values, note in ran] == [
            (project, 10, None),
            (project, 30, "logistic: does it\nlearn at all?"),
        ]

    def test_a_bad_one_among_several_is_told_before_any_runs(self, record, project, monkeypatch):
        from deep_learning_dynamics import experiments

        ran = []
        monkeypatch.setattr(experiments, "run", lambda *given: ran.append(given))
        result = CliRunner().invoke(app, ["import", "--run", str(record()), "none.json"])
        assert (result.exit_code, ran) == (2, [])
