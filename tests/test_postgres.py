"""A shared PostgreSQL behind MLflow, from Debian's packages: two pipelines at once log completely."""

import getpass
import importlib.util
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from project_copy import SMALL, ProjectCopy

from deep_learning_dynamics.tracking import EXPERIMENT
from deep_learning_dynamics.tracking.ui import free_port

pytestmark = pytest.mark.pipeline

QUICK = SMALL | {"data.sources": ["embedded"], "project.methods": ["pca"], "train.epochs": 1}


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are: Debian keeps them out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return None if initdb is None else Path(initdb).resolve().parent


class Postgres:
    """A server of our own on 127.0.0.1, in a folder of the user that may run it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder, self.port = programs, folder, free_port(None)
        # It refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        self.data = folder / "data"

    def program(self, name: str, *arguments: str) -> None:
        command = [str(self.programs / name), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        # Not a pipe: the server would keep it open.
        with (self.folder.parent / "postgres.log").open("a") as log:
            subprocess.run(
                command,
                cwd="/",
                check=True,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                timeout=60,
            )

    def start(self) -> str:
        self.program(
            "initdb", "--auth=trust", "--no-sync", f"--username={self.user}", "-D", str(self.data)
        )
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self.program("pg_ctl", "-D", str(self.data), "-w", "-o", options, "start")
        self.program("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "runs")
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/runs"

    def stop(self) -> None:
        self.program("pg_ctl", "-D", str(self.data), "-m", "immediate", "stop")


@pytest.fixture
def database():
    programs = postgres_folder()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed (pip install 'psycopg[binary]')")
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    import tempfile

    # Not pytest's folder, which is its owner's alone.
    with tempfile.TemporaryDirectory(prefix="dynamics-postgres-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "server").mkdir()
        server = Postgres(programs, Path(folder) / "server")
        uri = server.start()
        try:
            yield uri
        finally:
            server.stop()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_two_pipelines_at_once_log_completely(database, tmp_path):
    projects = {}
    for name, rate in (("one", 0.1), ("two", 0.05)):
        copy = ProjectCopy.make(tmp_path / name)
        copy.change(QUICK | {"train.learning_rate": rate})
        copy.commit("small")
        projects[name] = copy
    logs = {name: (tmp_path / f"{name}.log").open("w+") for name in projects}
    processes = {
        name: subprocess.Popen(
            ["dvc", "repro"],
            cwd=project.folder,
            env=project.environment(MLFLOW_TRACKING_URI=database),
            stdout=logs[name],
            stderr=subprocess.STDOUT,
        )
        for name, project in projects.items()
    }
    for name, process in processes.items():
        assert process.wait(timeout=500) == 0, Path(logs[name].name).read_text()
        assert "not logged" not in Path(logs[name].name).read_text()

    from mlflow import MlflowClient

    client = MlflowClient(database)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    parents = [run for run in runs if "fingerprint" in run.data.tags]
    assert sorted(run.data.params["train.learning_rate"] for run in parents) == ["0.05", "0.1"]
    assert len(runs) == 2 * (1 + 4)
    for run in runs:
        if "arm" in run.data.tags:
            steps = [m.step for m in client.get_metric_history(run.info.run_id, "test_loss")]
            assert len(steps) == len(set(steps)) == 7
    for run in parents:
        assert {"pca.trustworthiness", "scratch.test_accuracy"} <= run.data.metrics.keys()
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"params.yaml", "dvc.lock", "snapshots", "figures"} <= names

    listed = projects["one"].run("dynamics", "list", MLFLOW_TRACKING_URI=database)
    assert listed.output.count("complete") == 2, listed.output
