"""What people see in MLflow's UI, in a real browser."""

import os
import re
from pathlib import Path

import pytest
from project_folder import SCHEDULE, finished_project

from deep_learning_dynamics import tracking
from deep_learning_dynamics.tracking.store import store_of
from deep_learning_dynamics.tracking.ui import free_port, serve

pytestmark = pytest.mark.browser

ARMS = ("scratch", "pretrained")
PATIENCE = 60_000  # milliseconds
SIZE = {"width": 1600, "height": 1100}


@pytest.fixture(scope="module")
def experiments(tmp_path_factory):
    """Two finished experiments in one store: learning rates 0.1 and 0.2, five pairs."""
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path_factory.mktemp("ui")
    # As DVC's queue runs them: in copies below the project, with the project's store.
    tracked = [
        tracking.complete(
            finished_project(folder / ".dvc/tmp/exps" / name, learning_rate=rate, networks=5).root
        )
        for name, rate in (("one", 0.1), ("two", 0.2))
    ]
    yield folder, tracked
    patch.undo()


@pytest.fixture(scope="module")
def server(experiments):
    with serve(store_of(experiments[0]), free_port(None)) as running:
        yield running


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport=SIZE)
    page.set_default_timeout(PATIENCE)
    # MLflow opens its assistant beside everything until it was closed once.
    page.add_init_script(
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
        "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"
    )
    yield page
    page.close()


def picture(page, name: str) -> None:
    """Keep a screenshot where one was asked for."""
    folder = os.environ.get("DYNAMICS_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def cells(page, column: str) -> list[str]:
    """What a column of the table of runs shows, from top to bottom."""
    found = page.locator(f"[role=gridcell][col-id*='{column}']")
    return [cell.inner_text() for cell in found.all()]


def shown_width(page, part_of_address: str) -> int:
    """The width of an image's pixels once it is loaded; 0 if it cannot be shown."""
    image = page.locator(f"img[src*='{part_of_address}']").first
    image.wait_for()
    return image.evaluate(
        "image => image.decode().then(() => image.naturalWidth, () => image.naturalWidth)"
    )


def test_the_table_opens_with_both_runs_and_the_columns_that_matter(page, server, experiments):
    page.goto(server.address)
    names = [run.name for run in experiments[1]]
    for name in names:
        page.get_by_role("link", name=name).wait_for()
    shown = page.get_by_role("link", name=re.compile("|".join(names))).all_inner_texts()
    assert sorted(shown) == sorted(names)
    rates = dict(zip(shown, cells(page, "train.learning_rate"), strict=True))
    assert [rates[name] for name in names] == ["0.1", "0.2"]
    # Five networks in each arm: medians 0.3 + 0.02 and 0.3 + 0.07.
    assert cells(page, "scratch.test_accuracy") == ["0.32", "0.32"]
    assert cells(page, "pretrained.test_accuracy") == ["0.37", "0.37"]
    picture(page, "runs")


def test_a_runs_networks_unfold_below_it(page, server, experiments):
    page.goto(server.address)
    name = experiments[1][0].name
    page.get_by_role("link", name=name).wait_for()
    network = page.get_by_role("link", name=re.compile(r"^(scratch|pretrained) \d$"))
    assert network.count() == 0
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name))
    row.locator("[col-id*='Run Name'] button").first.click()
    network.first.wait_for()
    shown = network.all_inner_texts()
    assert sorted(shown) == sorted(f"{arm} {pair}" for arm in ARMS for pair in range(5))
    # Each has its own accuracy: 0.3 at the last snapshot, and 0.01 more from one to the next.
    accuracies = [float(cell) for cell in cells(page, "`test_accuracy") if cell != "-"]
    expected = [
        0.3 + 0.01 * (5 * ARMS.index(arm) + int(pair)) for arm, pair in map(str.split, shown)
    ]
    assert accuracies == pytest.approx(expected, abs=1e-6)
    picture(page, "networks")


def test_two_runs_are_compared_side_by_side(page, server, experiments):
    page.goto(server.address)
    for run in experiments[1]:
        row = page.locator(f".ag-row[row-id='{run.run_id}']")
        row.locator(".ag-selection-checkbox input").check(force=True)
    page.get_by_role("button", name="Compare").click()
    page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    page.get_by_label("Parameters - Show diff only").click()
    first = page.locator("tr", has=page.get_by_text("Run Name:")).locator("td").all_inner_texts()
    assert sorted(first) == sorted(run.name for run in experiments[1])
    rates = {experiments[1][0].name: "0.1", experiments[1][1].name: "0.2"}
    differing = page.locator("table.mlflow-compare-run-table").nth(1)
    assert rows_of(differing) == {"train.learning_rate": [rates[name] for name in first]}
    names, values = (grid.inner_text().split("\n") for grid in page.get_by_role("grid").all())
    metrics = dict(zip(names, zip(values[::2], values[1::2], strict=True), strict=True))
    assert metrics["omniglot.test_accuracy"] == ("0.32", "0.32")
    assert metrics["comparison.path_length.difference"] == ("1.5", "1.5")
    page.get_by_label("Metrics - Show diff only").scroll_into_view_if_needed()
    picture(page, "compare")


def test_learning_curves_are_drawn_by_arm(page, server):
    page.goto(server.address)
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("menuitemcheckbox", name="arm", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_text("Group: scratch").wait_for()
    page.locator("label", has=page.locator("input[value=CHART]")).click()
    page.locator(".js-plotly-plot").first.wait_for()
    page.get_by_placeholder("Search metric charts").fill("^test_accuracy$")
    page.get_by_text("pretrained (test_accuracy)").wait_for()
    page.get_by_text("test_loss", exact=True).wait_for(state="detached")
    page.get_by_text("scratch (test_accuracy)").wait_for()
    [lines] = [
        plot.evaluate(
            "plot => plot.data.filter(line => line.fill === undefined && line.y.length > 1)"
            ".map(line => [Array.from(line.x), Array.from(line.y)])"
        )
        for plot in page.locator(".js-plotly-plot").all()
    ]
    # The mean of each arm's networks in both runs, over steps: 0.02 and 0.07 above a tenth for
    # each snapshot.
    steps = SCHEDULE.steps.tolist()
    for middle in (0.02, 0.07):
        curve = [middle + 0.1 * snapshot for snapshot in range(len(steps))]
        assert any(x == steps and y == pytest.approx(curve, abs=1e-6) for x, y in lines)
    picture(page, "chart")


def test_a_runs_page_shows_the_sheet_of_figures(page, server, experiments):
    page.goto(page_of(server, experiments))
    page.get_by_text("Show more").first.click()
    assert shown_width(page, "sheet.png") == 320
    assert shown_width(page, "learning_curves.png") == 320
    assert page.get_by_text("MNIST, scratch").is_visible()
    picture(page, "run")


def test_a_figure_opens_from_the_artifacts(page, server, experiments):
    page.goto(page_of(server, experiments))
    page.get_by_role("tab", name="Artifacts").click()
    for name in ("figures", "som", "som.png"):
        page.get_by_text(name, exact=True).click()
    page.get_by_text("figures/som/som.png", exact=True).wait_for()
    assert shown_width(page, "blob:") == 320
    picture(page, "artifacts")


def rows_of(table) -> dict[str, list[str]]:
    """What a table of the page of comparisons says in each row, by its name."""
    found = {}
    for row in table.locator("tr").all():
        if row.is_visible():
            found[row.locator("th").inner_text()] = row.locator("td").all_inner_texts()
    return found


def page_of(server, experiments) -> str:
    """The first run's page."""
    base, _, query = server.address.partition("?")
    return f"{base}/{experiments[1][0].run_id}?{query.partition('&')[0]}"
