"""Settings on the command line: read and checked like the file, and in it only for a while."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT
from typer.testing import CliRunner

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics.cli import app
from deep_learning_dynamics.errors import DynamicsError, ParamsError
from deep_learning_dynamics.lab import settings
from deep_learning_dynamics.lab.names_2020 import Options, translated

PATH = ROOT / "params.yaml"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder that is a project as far as parameters are concerned."""
    (tmp_path / "params.yaml").write_bytes(PATH.read_bytes())
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestReading:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("train.epochs=20", 20),
            ("train.learning_rate=1e-4", 0.0001),  # YAML 1.1 would read a text
            ("network.activation=tanh", "tanh"),
            ("track.biases=true", True),
            ("track.biases=yes", "yes"),  # YAML 1.1 would read true
            ("network.hidden_layers=[8, 16]", [8, 16]),
            ("train.snapshots={first_epoch: 1, per_epoch: 2}", {"first_epoch": 1, "per_epoch": 2}),
            ("seed=", None),
            (" seed = 3", 3),
        ],
    )
    def test_values_are_yaml_1_2(self, text, value):
        assert list(settings.assignments([text]).values()) == [value]

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("seed=1,2,3", [1, 2, 3]),
            ("train.learning_rate=1e-2,0.1", [0.01, 0.1]),
            ("network.hidden_layers=[8, 8],[16, 16]", [[8, 8], [16, 16]]),
            ("network.hidden_layers=[8, 8]", [[8, 8]]),
            ("network.activation=relu, tanh", ["relu", "tanh"]),
            ("seed=1,1,2", [1, 2]),
        ],
    )
    def test_commas_outside_of_brackets_part_the_values_of_a_sweep(self, text, values):
        assert list(settings.choices([text]).values()) == [values]

    @pytest.mark.parametrize(
        ("texts", "message"),
        [
            (["train.epochs"], "expected KEY=VALUE, such as -S train.epochs=20"),
            (["=3"], "expected KEY=VALUE"),
            (["seed=[1"], "-S seed=[1: the value is not valid YAML: expected ',' or ']'"),
            (["seed=2024-02-30"], "the value is not valid YAML: day is out of range"),
            (["seed=!!int abc"], "the value is not valid YAML: invalid literal for int()"),
            (["seed=1", "seed=2"], "-S seed=2: seed is set already; expected each key once"),
            (["train={}", "train.epochs=2"], "train is set already"),
        ],
    )
    def test_what_is_no_setting_is_said(self, texts, message):
        with pytest.raises(ParamsError) as error:
            settings.assignments(texts)
        assert message in str(error.value)
        assert "\n" not in str(error.value)

    def test_an_empty_list_of_values_is_no_sweep(self):
        with pytest.raises(ParamsError, match="expected values with commas between"):
            settings.choices(["seed="])

    @pytest.mark.parametrize(
        "value",
        [20, 1e-05, 0.1, "all", True, [8, 16], ["pca", "som"], {"target": "character"}, None],
    )
    def test_a_written_value_is_read_back_as_it_was(self, value):
        assert settings.assignments([f"a={settings.written(value)}"]) == {"a": value}
        assert "\n" not in settings.written(value)


class TestChecking:
    @pytest.mark.parametrize(
        "values",
        [
            {"train.epochs": 0},
            {"train.epoch": 3},
            {"network.activation": "sigmoid"},
            {"train.learning_rate": "fast"},
            {"train.arms": ["scratch", "scratch"]},
            {"seed": -1, "plot.dpi": 5},
        ],
    )
    def test_messages_are_those_of_the_file(self, values, changed):
        with pytest.raises(ParamsError) as of_file:
            parameters.validate(changed(values))
        with pytest.raises(ParamsError) as of_option:
            settings.checked(PATH, values)
        assert str(of_option.value) == str(of_file.value).replace(
            "params.yaml: ", "params.yaml with -S: "
        )

    def test_valid_settings_are_taken(self):
        params = settings.checked(PATH, settings.assignments(["train.epochs=20", "seed=3"]))
        assert (params.train.epochs, params.seed) == (20, 3)
        assert params.network == parameters.load(PATH).network

    @pytest.mark.parametrize("arguments", [["-S", "train.epochs=0"], ["--iterations", "0"]])
    def test_a_mistake_ends_with_2_before_anything_changes(self, project, arguments):
        before = files_of(project)
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                "from deep_learning_dynamics.cli import app; app()",
                "run",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 2
        assert "train.epochs is 0; expected a whole number from 1 to 10,000." in result.stderr
        assert "Traceback" not in result.stderr
        assert files_of(project) == before


class TestWriting:
    def test_with_nothing_to_set_every_byte_stays(self):
        assert settings.text_with(PATH, {}).encode() == PATH.read_bytes()

    def test_only_the_lines_of_the_keys_change_and_comments_stay(self):
        values = {
            "train.epochs": 20,
            "network.hidden_layers": [4, 4],
            "train.snapshots": {"first_epoch": 1, "per_epoch": 1},
            "train.learning_rate": 1e-05,
        }
        before = PATH.read_text().splitlines()
        after = settings.text_with(PATH, values).splitlines()
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert changed == [
            "  hidden_layers: [4, 4]             # units of each hidden layer, 1 to 4,096",
            "  learning_rate: 1e-05",
            "  epochs: 20",
            "  snapshots: {first_epoch: 1, per_epoch: 1}",
        ]

    @pytest.mark.parametrize("value", [[4, 4], [16], [8] * 7, [6, 6]])
    def test_lists_over_several_lines_stay_so_and_nothing_else_is_lost(self, project, value):
        # As DVC and editors write them.
        lines = PATH.read_text().replace("[8, 8, 8, 8, 8]    #", "  #")
        path = project / "params.yaml"
        path.write_text(lines.replace("  activation:", "  - 8\n  - 8\n  activation:"))
        text = settings.text_with(path, {"network.hidden_layers": value, "train.epochs": 3})
        expected = settings.checked(path, {"network.hidden_layers": value, "train.epochs": 3})
        path.write_text(text)
        assert parameters.load(path) == expected
        assert text.count("#") == PATH.read_text().count("#")
        assert "hidden_layers:" in text
        assert "  - " in text

    def test_the_written_file_says_what_was_set(self, project):
        values = {"train.learning_rate": 1e-05, "track.layers": [2, 3], "track.separately": True}
        expected = settings.checked(PATH, values)
        (project / "params.yaml").write_text(settings.text_with(PATH, values))
        assert parameters.load(project / "params.yaml") == expected


class TestForAWhile:
    def test_the_file_is_changed_within_and_as_it_was_afterwards(self, project):
        path = project / "params.yaml"
        path.chmod(0o640)
        with settings.in_place(project, {"train.epochs": 20}) as changed:
            assert changed
            assert parameters.load(path).train.epochs == 20
        assert path.read_bytes() == PATH.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o640

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    def test_it_is_put_back_after_an_error_and_ctrl_c_too(self, project, error):
        with pytest.raises(error), settings.in_place(project, {"train.epochs": 20}):
            raise error
        assert (project / "params.yaml").read_bytes() == PATH.read_bytes()

    def test_values_that_the_file_has_already_leave_it_alone(self, project):
        before = (project / "params.yaml").stat().st_mtime_ns
        with settings.in_place(project, {"train.epochs": 10}) as changed:
            assert not changed
            assert (project / "params.yaml").stat().st_mtime_ns == before

    def test_what_a_person_writes_into_it_meanwhile_stays(self, project):
        path = project / "params.yaml"
        with settings.in_place(project, {"train.epochs": 20}):
            path.write_text(path.read_text().replace("seed: 0", "seed: 7"))
        assert parameters.load(path).seed == 7

    def test_a_second_one_at_the_same_time_is_refused(self, project):
        with (
            settings.in_place(project, {"train.epochs": 20}),
            pytest.raises(
                DynamicsError, match="Another dynamics command is at work in this project"
            ),
            settings.in_place(project, {"train.epochs": 30}),
        ):
            pass
        assert (project / "params.yaml").read_bytes() == PATH.read_bytes()

    def test_a_run_that_sets_nothing_is_alone_too(self, project):
        """Or its stages could read what another has set."""
        with (
            settings.in_place(project, {}),
            pytest.raises(DynamicsError, match="Another dynamics command is at work"),
            settings.in_place(project, {"train.epochs": 30}),
        ):
            pass
        assert (project / "params.yaml").read_bytes() == PATH.read_bytes()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_kill_and_a_closed_terminal_end_it_and_its_children_as_ctrl_c_does(
        self, project, number
    ):
        child = "import time\ntry: print('in', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('told')"
        program = (
            "import subprocess, sys; from pathlib import Path\n"
            "from deep_learning_dynamics.lab import settings\n"
            "with settings.in_place(Path.cwd(), {'train.epochs': 20}):\n"
            "    child = subprocess.Popen([sys.executable, '-c', sys.argv[1]])\n"
            "    try: child.wait()\n"
            "    finally: child.wait()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, child],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout.readline() == b"in\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        assert output == b"told\n"
        assert errors.endswith(b"KeyboardInterrupt\n")
        assert (project / "params.yaml").read_bytes() == PATH.read_bytes()

    def test_after_a_killed_process_the_next_command_puts_it_back(self, project, capsys):
        program = (
            "import time; from pathlib import Path; from deep_learning_dynamics.lab import settings\n"
            "with settings.in_place(Path.cwd(), {'train.epochs': 20}): print('in', flush=True); time.sleep(60)"
        )
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"in\n"
        assert parameters.load(project / "params.yaml").train.epochs == 20
        process.kill()
        process.wait()
        process.stdout.close()
        settings.recover(project)
        assert (project / "params.yaml").read_bytes() == PATH.read_bytes()
        assert "as it was before a run that was killed" in capsys.readouterr().out
        settings.recover(project)
        assert capsys.readouterr().out == ""


class TestNamesOf2020:
    @pytest.mark.parametrize(
        ("given", "values"),
        [
            ({"iterations": 10}, {"train.epochs": 10}),
            ({"networks": 3}, {"train.networks": 3}),
            ({"projection": "SelfOrganisingMap"}, {"project.methods": ["som"]}),
            ({"projection": "AE_Tsne"}, {"project.methods": ["autoencoder_tsne"]}),
            ({"projection": "pca"}, {"project.methods": ["pca"]}),
            (
                {"train_projection_model_on_first_only": True},
                {"project.fit_on_first_network_only": True},
            ),
            ({"width": 16, "depth": 3}, {"network.hidden_layers": [16, 16, 16]}),
            ({"width": 16}, {"network.hidden_layers": [16] * 5}),
            ({"depth": 2}, {"network.hidden_layers": [8, 8]}),
            ({"activation": "tanh"}, {"network.activation": "tanh"}),
            ({"learning_algorithm": "adam"}, {"train.algorithm": "adam"}),
            (
                {"average_hidden_layers": True},
                {
                    "track.layers": "all",
                    "track.separately": False,
                    "track.average_hidden_layers": True,
                },
            ),
            # 2020 numbered from 0: 5 is the output layer behind five hidden ones.
            (
                {"layer_to_track": 5},
                {
                    "track.layers": [6],
                    "track.separately": False,
                    "track.average_hidden_layers": False,
                },
            ),
            # 2020 left out the layer behind the pixels: those from the second on are of one shape.
            (
                {"track_first_n_layers_separately": 5},
                {
                    "track.layers": [2, 3, 4, 5],
                    "track.separately": True,
                    "track.average_hidden_layers": False,
                },
            ),
            ({}, {}),
        ],
    )
    def test_each_name_is_a_key(self, given, values, raw_params):
        assert translated(Options(**given), raw_params).values == values
        settings.checked(PATH, values)

    def test_all_of_them_at_once_are_valid_and_what_has_no_effect_is_named(self, raw_params):
        translation = translated(
            Options(10, 3, "SelfOrganisingMap", True, True, 8, 5, "relu", "sgd", 5, 5), raw_params
        )
        params = settings.checked(PATH, translation.values)
        assert params.track.layers == (2, 3, 4, 5)
        assert params.project.methods == ("som",)
        assert [notice.split()[0] for notice in translation.notices] == [
            "--track-first-n-layers-separately",
            "--layer-to-track",
            "--average-hidden-layers",
        ]

    def test_a_width_alone_needs_layers_of_one_width(self, changed):
        raw = changed({"network.hidden_layers": [8, 4]})
        assert translated(Options(width=6), raw).values == {"network.hidden_layers": [6, 6]}
        with pytest.raises(ParamsError, match=r"--depth 3 says nothing about the width"):
            translated(Options(depth=3), raw)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ["--projection", "MDS"],
                "--projection is MDS; expected PrincipalComponentAnalysis or",
            ),
            (
                ["--learning_algorithm", "lbfgs"],
                "which cannot be carried over: it has no mini-batches",
            ),
            (["--layer-to-track", "6"], "--layer-to-track is 6; expected 0 to 5"),
            (["--track_first_n_layers_separately", "1"], "expected 2 or more"),
            (["--depth", "0"], "--depth is 0; expected a whole number from 1"),
            (
                ["--dataset", "toy"],
                "--dataset of 2020 cannot be carried over: networks are trained on mnist",
            ),
            (["--timestamp", "17h32m49s22June2020"], "--timestamp of 2020 cannot be carried over"),
            (["--dont_save"], "--dont-save of 2020 cannot be carried over"),
            (
                ["--iterations", "3", "-S", "train.epochs=4"],
                "train.epochs is set with -S and with an option",
            ),
        ],
    )
    def test_what_cannot_be_carried_over_is_named_and_ends_with_2(
        self, project, arguments, message
    ):
        before = files_of(project)
        result = CliRunner().invoke(app, ["run", *arguments])
        assert result.exit_code == 2
        assert message in result.stderr
        assert files_of(project) == before


DVC_YAML = """
stages:
  work:
    cmd: python work.py
    deps: [work.py]
    params: [train.epochs, seed]
    outs: [result.txt]
"""


class TestRun:
    """Real DVC with one stage, which says what params.yaml says to it."""

    @pytest.fixture
    def small(self, project):
        (project / ".git").rmdir()
        subprocess.run(["git", "init", "--quiet"], check=True)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
        (project / "dvc.yaml").write_text(DVC_YAML)
        (project / "work.py").write_text(
            "import pathlib, time\n"
            "from deep_learning_dynamics import params, stage\n"
            "def main(params):\n"
            "    pathlib.Path('result.txt').write_text(str(params.train.epochs))\n"
            "    print('begun', flush=True)\n"
            "    time.sleep(60 if params.seed == 99 else 0)\n"
            "stage.run(None, main)\n"
        )
        return project

    @staticmethod
    def start(*arguments, **options):
        return subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from deep_learning_dynamics.cli import app; app()",
                "run",
                *arguments,
            ],
            env=os.environ | {"DYNAMICS_TRACKING": "off"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def test_stages_see_the_settings_and_params_yaml_is_as_it_was(self, small):
        process = self.start("-S", "train.epochs=20", "--width", "4")
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, output
        assert (small / "result.txt").read_text() == "20"
        assert (small / "params.yaml").read_bytes() == PATH.read_bytes()
        assert "Settings for this run: network.hidden_layers=[4, 4, 4, 4, 4]" in output
        assert "params.yaml is as it was" in output

    def test_ctrl_c_leaves_the_workspace_as_it_was(self, small):
        """All but the outputs of the stage that it was at, which DVC has in its cache."""

        def files():
            skipped = (".git", ".dvc")
            found = [p for p in small.rglob("*") if p.relative_to(small).parts[0] not in skipped]
            return {p.relative_to(small): p.read_bytes() for p in found if p.is_file()}

        process = self.start()
        assert process.wait(120) == 0, process.stdout.read()
        process.stdout.close()
        before = files()
        assert before[Path("result.txt")] == b"10"
        process = self.start("-S", "train.epochs=20", "-S", "seed=99", start_new_session=True)
        while "begun" not in (line := process.stdout.readline()):
            assert line
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        after = files()
        changed = {path for path in before | after if before.get(path) != after.get(path)}
        assert changed <= {Path("result.txt")}
        process = self.start()
        output = process.communicate(timeout=120)[0]
        assert "begun" not in output  # nothing is computed again
        assert files() == before

    def test_ctrl_c_leaves_params_yaml_as_it_was(self, small):
        process = self.start("-S", "train.epochs=20", "-S", "seed=99", start_new_session=True)
        lines = []
        while not lines or "begun" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
        assert parameters.load(small / "params.yaml").seed == 99
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 130
        assert "error: interrupted; the same command continues" in output
        assert (small / "params.yaml").read_bytes() == PATH.read_bytes()
