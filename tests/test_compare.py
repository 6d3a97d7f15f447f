"""Runs beside each other: what differs, the numbers, and all paths in one plane."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from figure_examples import write_projection, write_provenance
from PIL import Image
from project_folder import SCHEDULE
from recorded_runs import recorded
from small_stores import Stores, settings
from typer.testing import CliRunner

from deep_learning_dynamics import figures, views
from deep_learning_dynamics.cli import app
from deep_learning_dynamics.errors import SnapshotsError
from deep_learning_dynamics.figures.comparison import comparison_figure
from deep_learning_dynamics.figures.run_paths import MOST, RunPaths, colour
from deep_learning_dynamics.lab import comparing
from deep_learning_dynamics.lab.comparing import common_plane, joined, labels
from deep_learning_dynamics.lab.differences import differences

SNAPSHOTS = len(SCHEDULE.steps)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield recorded(
            tmp_path_factory.mktemp("runs"),
            {},
            {"learning_rate": 0.03, "networks": 3, "stand_in": True},
            monkeypatch=patch,
        )


@pytest.fixture
def compared(runs):
    """Both runs, the older one first."""
    return runs.records[::-1]


class TestJoined:
    """The rows of several runs, one after the other."""

    @pytest.fixture(params=[{}, {"separately": True, "layers": [2, 3]}, {"biases": True}])
    def each(self, request, tmp_path):
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
        stores = (
            Stores(tmp_path / "one", pairs=2, snapshots=5),
            Stores(tmp_path / "other", pairs=3, snapshots=4, diverged=1),
        )
        track = settings(track=request.param).track
        return [views.view(store.pretrain, store.train, track) for store in stores]

    def test_they_are_those_of_the_runs_alone(self, each):
        together = joined(each)
        weights = np.concatenate([np.asarray(view.weights) for view in each])
        np.testing.assert_array_equal(np.asarray(together.weights), weights)
        np.testing.assert_array_equal(
            together.finite, np.concatenate([view.finite for view in each])
        )
        columns = pd.concat([view.table for view in each], ignore_index=True)
        pd.testing.assert_frame_equal(together.table.drop(columns="run"), columns)
        assert together.table["run"].tolist() == [0] * len(each[0].table) + [1] * len(each[1].table)

    def test_some_rows_and_blocks_are_read_alike(self, each):
        together = joined(each)
        weights = np.concatenate([np.asarray(view.weights) for view in each])
        rows = np.random.default_rng(0).permutation(len(weights))[:20]
        blocks = list(together.weights.take(rows).blocks(20 * 8 * 7))
        assert len(blocks) > 1
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), weights[rows])


class TestCommonPlane:
    def test_it_is_that_of_all_snapshots_together(self, runs, compared, tmp_path):
        from sklearn.decomposition import PCA

        projected = common_plane(runs.connection, compared, "pca", tmp_path)
        weights = []
        for project in runs.projects:
            stores = (project.root / "snapshots" / f"{p}.zarr" for p in ("pretrain", "train"))
            weights.append(np.asarray(views.view(*stores, project.params.track).weights))
        together = np.concatenate(weights)
        # Equal rows are fitted once, and the invented projects share some.
        pca = PCA(2, svd_solver="full").fit(np.unique(together, axis=0))
        expected = pca.transform(together)
        found = projected.coordinates[["x", "y"]].to_numpy()
        signs = np.sign((found * expected).sum(axis=0))
        np.testing.assert_allclose(found, expected * signs, atol=1e-6 * np.abs(expected).max())
        # 2 networks in each arm, then 3; and those that were pre-trained.
        assert projected.coordinates["run"].value_counts().to_dict() == {
            0: 6 * SNAPSHOTS,
            1: 9 * SNAPSHOTS,
        }
        assert projected.coordinates["fitted"].all()

    def test_networks_of_different_layers_have_none(self, runs, compared, tmp_path):
        other = replace(
            compared[1],
            parameters=compared[1].parameters | {"network.hidden_layers": "[3, 3, 3]"},
        )
        with pytest.raises(
            SnapshotsError,
            match=r"network\.hidden_layers is \[3, 3\] in .*, \[3, 3, 3\] in .*--no-figure",
        ):
            common_plane(runs.connection, [compared[0], other], "pca", tmp_path)

    def test_a_run_without_its_snapshots_is_named(self, runs, compared, tmp_path):
        gone = replace(compared[1], artifacts=(tmp_path / "gone").as_uri(), status="FAILED")
        with pytest.raises(
            Exception, match=rf"{gone.name}.* has no snapshots/pretrain.zarr.*FAILED"
        ):
            common_plane(runs.connection, [compared[0], gone], "pca", tmp_path)


class TestDifferences:
    def test_only_what_differs_is_named(self, runs, compared, tmp_path):
        found = differences(runs.connection, compared, tmp_path)
        assert found.parameters == {
            "train.learning_rate": ("0.1", "0.03"),
            "train.networks": ("2", "3"),
        }
        assert set(found.data) == {"omniglot"}
        assert [text.split(" (")[0] for text in found.data["omniglot"]] == [
            "OMNIGLOT",
            "OMNIGLOT stand-in: glyphs",
        ]
        assert (found.code, found.code_files, found.environment) == ({}, (), {})

    def test_a_run_does_not_differ_from_itself(self, runs, compared, tmp_path):
        assert not differences(runs.connection, [compared[0], compared[0]], tmp_path)

    def test_code_and_environment_are_told(self, runs, compared, tmp_path):
        tags = compared[0].tags | {"fingerprint.code": "other", "version.torch": "1.0"}
        found = differences(
            runs.connection, [compared[0], replace(compared[0], tags=tags)], tmp_path
        )
        assert set(found.code) == {"commit", "code"}
        assert found.environment == {"version.torch": (compared[0].tags["version.torch"], "1.0")}


class TestLabels:
    def test_they_are_what_differs_in_few_words(self, compared):
        assert labels(compared, {"train.learning_rate": ("0.1", "0.03")}) == [
            "learning_rate 0.1",
            "learning_rate 0.03",
        ]

    def test_a_name_that_two_sections_have_is_written_whole(self, compared):
        differing = {"train.epochs": ("1", "2"), "pretrain.epochs": ("3", "4")}
        assert labels(compared, differing)[0] == "train.epochs 1\npretrain.epochs 3"

    def test_many_are_counted(self, compared):
        differing = {f"train.key{n}": ("1", "2") for n in range(5)}
        assert labels(compared, differing)[1] == "key0 2\nkey1 2\nand 3 more"

    def test_what_does_not_tell_runs_apart_gets_their_names(self, compared):
        names = [record.name for record in compared]
        assert labels(compared, {}) == names
        assert labels(compared, {"plot.dpi": ("100", "200")}) == names
        assert labels(compared, {"seed": ("1", "1")}) == [f"seed 1\n{name}" for name in names]


class TestCommand:
    @pytest.fixture
    def dynamics(self, runs, monkeypatch):
        monkeypatch.chdir(runs.projects[0].root)
        return lambda *arguments: CliRunner().invoke(app, ["compare", *arguments])

    def test_numbers_stand_side_by_side_and_the_figure_is_kept_with_both_runs(
        self, dynamics, runs, compared, tmp_path
    ):
        names = [record.name for record in compared]
        result = dynamics(*names, "--save", str(tmp_path / "mine"))
        assert result.exit_code == 0, result.output
        rows = [line.split("   ") for line in result.output.splitlines()]
        cells = {row[0].strip(): [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
        assert cells["train.learning_rate"] == ["0.1", "0.03"]
        # See scores_at: the last of four snapshots, networks 0 and 1, then 0 to 2.
        assert cells["MNIST, scratch: test accuracy"] == [
            "30.5% (30.0% to 31.0%)",
            "31.0% (30.0% to 32.0%)",
        ]
        name = f"pca_{names[0]}_{names[1]}"
        kept = [
            runs.projects[0].root / "mlruns" / "artifacts" / record.run_id / "artifacts"
            for record in compared
        ]
        files = {f"{name}.png", f"{name}.svg", "coordinates.parquet", "comparison.txt"}
        for folder in (*(each / "comparisons" / name for each in kept), tmp_path / "mine" / name):
            assert {path.name for path in folder.iterdir()} == files
            assert Image.open(folder / f"{name}.png").size[0] > 500
        table = pd.read_parquet(tmp_path / "mine" / name / "coordinates.parquet")
        assert set(table["run"]) == set(names)
        assert str(kept[0] / "comparisons" / name / f"{name}.png") in result.output
        listed = runs.connection.client.list_artifacts(compared[1].run_id, "comparisons")
        assert [file.path for file in listed] == [f"comparisons/{name}"]
        # What is added does not make a run look incomplete, nor is it taken for another run's.
        assert {record.status for record in runs.records} == {"FINISHED"}
        assert "comparisons" not in json.loads(runs.records[0].tags["artifacts"])

    def test_a_second_comparison_of_the_same_runs_replaces_the_first(
        self, dynamics, runs, compared
    ):
        names = [record.name for record in compared]
        for _ in range(2):
            assert dynamics(*names).exit_code == 0
        listed = runs.connection.client.list_artifacts(compared[0].run_id, "comparisons")
        assert len(listed) == 1

    @pytest.mark.parametrize(
        ("arguments", "status", "message"),
        [
            (("latest", "latest"), 1, "latest and latest are one run"),
            (("latest",), 1, "latest is one run"),
            (("latest", "nobody"), 1, "There is no run 'nobody'"),
            (
                ("latest", "latest", "--method", "magic"),
                2,
                "--method is magic; expected one of pca",
            ),
            ((), 2, "Missing argument"),
        ],
    )
    def test_mistakes_are_one_clear_line(self, dynamics, arguments, status, message):
        result = dynamics(*arguments)
        assert result.exit_code == status
        assert message in result.output

    def test_numbers_alone_need_no_snapshots(self, dynamics, compared, monkeypatch):
        monkeypatch.setattr(comparing, "common_plane", None)
        result = dynamics(*(record.name for record in compared), "--no-figure")
        assert result.exit_code == 0, result.output
        assert "what differs: parameters" in result.output
        assert "figure:" not in result.output


class TestFigure:
    @staticmethod
    def drawn(tmp_path, method="pca", count=2, **arguments):
        write_provenance(tmp_path / "data")
        runs = []
        for number in range(count):
            folder = tmp_path / str(number) / method
            read = figures.read_projection(write_projection(folder, method, **arguments), method)
            moved = tuple(
                replace(t, points=t.points + (number if t.phase == "train" else 0))
                for t in read.trajectories
            )
            runs.append(RunPaths(f"seed {number}", moved))
        common = replace(read, trajectories=tuple(t for run in runs for t in run.trajectories))
        data = [
            figures.read_provenance(tmp_path / "data" / f"{n}.json") for n in ("mnist", "omniglot")
        ]
        return runs, comparison_figure(runs, common, *data)

    @staticmethod
    def texts(figure):
        return [text.get_text() for text in figure.legends[0].get_texts()]

    @pytest.mark.parametrize("method", ["pca", "som", "umap"])
    def test_the_legend_names_every_run_and_every_sign(self, tmp_path, method):
        _, figure = self.drawn(tmp_path, method)
        texts = self.texts(figure)
        assert texts[:2] == ["seed 0", "seed 1"]
        assert "from scratch (light); its end" in texts
        assert "pre-trained on OMNIGLOT (dark); its end" in texts
        assert "pre-training on OMNIGLOT,\nthe same in all runs" in texts
        assert not any("failed" in text for text in texts)

    def test_every_path_has_its_runs_and_arms_colour(self, tmp_path):
        runs, figure = self.drawn(tmp_path)
        paths = figure.axes[0].collections[1]
        found = {
            (tuple(np.round(colours[:3], 6)), points.round(9).tobytes())
            for colours, points in zip(
                paths.get_colors(), (p.vertices for p in paths.get_paths()), strict=True
            )
        }
        for number, run in enumerate(runs):
            for t in run.trajectories:
                if t.phase == "train":
                    shade = tuple(np.round(colour(number, t.arm), 6))
                    assert (shade, t.points.round(9).tobytes()) in found

    def test_all_paths_lie_inside_of_the_plane(self, tmp_path):
        runs, figure = self.drawn(tmp_path, count=3)
        axes = figure.axes[0]
        points = np.concatenate([t.points for run in runs for t in run.trajectories])
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert left < points[:, 0].min() and points[:, 0].max() < right  # noqa: PT018
        assert bottom < points[:, 1].min() and points[:, 1].max() < top  # noqa: PT018

    def test_failed_networks_are_marked_and_take_no_time(self, tmp_path):
        failures = {("scratch", 0): "diverged", ("pretrained", 1): "dead"}
        _, figure = self.drawn(tmp_path, failures=failures)
        assert "failed: 4" in self.texts(figure)

    def test_layers_have_a_panel_each(self, tmp_path):
        _, figure = self.drawn(tmp_path, layers=(2, 3, 4), pairs=2)
        assert [axes.get_title() for axes in figure.axes] == ["layer 2", "layer 3", "layer 4"]

    def test_nothing_is_cut_off_at_the_edge(self, tmp_path):
        _, figure = self.drawn(tmp_path, count=MOST)
        figure.canvas.draw()
        box = figure.legends[0].get_window_extent()
        assert box.x1 <= figure.bbox.x1
        assert box.y0 >= 0

    def test_runs_and_arms_can_be_told_apart(self):
        shades = np.array(
            [colour(n, arm) for n in range(MOST) for arm in ("scratch", "pretrained")]
        )
        apart = np.abs(shades[:, None] - shades[None]).max(axis=2) + np.eye(len(shades))
        assert apart.min() > 0.1
