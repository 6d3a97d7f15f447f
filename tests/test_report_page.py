"""The report in a real browser, opened from a file, without a network."""

import os
from pathlib import Path

import pytest
from conftest import ROOT
from report_examples import NASTY, write_experiment

from deep_learning_dynamics import params as parameters
from deep_learning_dynamics import report

pytestmark = pytest.mark.browser

LAPTOP = {"width": 1366, "height": 768}
PATIENCE = 30_000  # milliseconds
FAILURES = {("scratch", 1): "dead", ("pretrained", 2): "diverged"}
SNAPSHOTS, BEFORE = 38, 15  # of each network on MNIST and in pre-training

# How many points of paths (not marks) a panel draws, each counted once.
POINTS = """name => {
    const seen = new Set();
    for (const trace of report.panels.get(name).plot.data) {
        if (trace.mode !== "lines" || !trace.customdata) continue;
        for (const row of trace.customdata) if (row) seen.add(`${row[0]} ${row[1]} ${row[2]}`);
    }
    return seen.size;
}"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages by name, each made once from the options of ``write_experiment``."""
    folder = tmp_path_factory.mktemp("report")
    made = {}

    def file_of(name, **options):
        if name not in made:
            raw = parameters.read(ROOT / "params.yaml")
            params = write_experiment(folder / name, raw, **options)
            page = report.assemble(report.gather(folder / name, params))
            report.write(page, folder / name / "report" / "index.html")
            made[name] = folder / name / "report" / "index.html"
        return made[name]

    return file_of


@pytest.fixture
def opened(browser, files):
    """Opens a page of a made-up experiment; at the end nothing may have gone wrong in it."""
    contexts, troubles = [], []

    def open_page(name="usual", **options):
        options = options or {"methods": ("pca", "som", "umap"), "failures": FAILURES}
        context = browser.new_context(viewport=LAPTOP, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url))
        address = files(name, **options).as_uri()
        page.goto(address)
        page.wait_for_function("window.report !== undefined")
        troubles.remove(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [each for each in troubles if not each.startswith("data:")] == []


def picture(page, name: str) -> None:
    """Keep a screenshot where one was asked for."""
    folder = os.environ.get("DYNAMICS_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"report-{name}.png")


def settled(page):
    """Waits until what was asked for is drawn."""
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def slide_to(page, time: int):
    """As a hand does: the value, and the event that a browser sends with it."""
    page.locator("#time").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')) }",
        str(time),
    )
    settled(page)


def test_it_opens_without_an_error_a_request_or_a_network(opened):
    page = opened()
    page.get_by_role("heading", name="Learning MNIST, from scratch and pre-trained").wait_for()
    # Ten networks; one is seen at ten of its snapshots only.
    expected = 9 * SNAPSHOTS + 10 + 5 * BEFORE
    assert page.evaluate(POINTS, "pca paths") == expected
    assert page.locator("#curves .plot .trace").count() > 0
    picture(page, "opened")


def test_a_logarithmic_axis_has_numbers_however_narrow_it_is(opened):
    page = opened()
    for low, high in ((1.2, 2.4), (2.28, 2.62), (2.25, 3.5), (0.026, 0.044), (1e-3, 1e3)):
        ticks = page.evaluate(
            "([low, high]) => report.logTicks(Math.log10(low), Math.log10(high))", [low, high]
        )
        assert 3 <= len(ticks) <= 7
        assert all(0.999 * low < value < 1.001 * high for value, _ in ticks)
        assert len({text for _, text in ticks}) == len(ticks)


def test_the_slider_lets_the_paths_grow(opened):
    page = opened()
    times = page.evaluate("report.times")
    zero = times.index(0)
    slide_to(page, zero + 5)
    assert page.evaluate(POINTS, "pca paths") == 10 * 6 + 5 * BEFORE
    assert page.locator("#now").inner_text() == "epoch 0.5 · step 150"
    slide_to(page, zero + 20)
    assert page.evaluate(POINTS, "pca paths") == 9 * 21 + 10 + 5 * BEFORE
    slide_to(page, 3)
    assert times[3] < 0
    assert page.evaluate(POINTS, "pca paths") == 5 * 4
    assert page.locator("#now").inner_text().startswith("pre-training, epoch 0.6")
    # Paths really are longer on the screen, not only in plotly's data.
    lengths = []
    for time in (zero + 2, zero + 20):
        slide_to(page, time)
        lengths.append(
            page.evaluate(
                "[...document.querySelectorAll('#planes .scatterlayer .js-line')]"
                ".reduce((sum, line) => sum + line.getAttribute('d').length, 0)"
            )
        )
    assert lengths[1] > 2 * lengths[0]


def test_the_slider_moves_with_the_keyboard(opened):
    page = opened()
    page.locator("#time").focus()
    page.keyboard.press("Home")
    assert page.evaluate("report.state.time") == 0
    page.keyboard.press("ArrowRight")
    assert page.evaluate("report.state.time") == 1
    assert page.locator("#time").get_attribute("aria-valuetext").startswith("pre-training")


def test_without_the_pre_training_time_starts_on_mnist(opened):
    page = opened()
    page.get_by_label("pre-training", exact=True).uncheck()
    assert page.evaluate(POINTS, "pca paths") == 9 * SNAPSHOTS + 10
    assert page.evaluate(POINTS, "test_accuracy") == 10 * SNAPSHOTS
    page.locator("#time").focus()
    page.keyboard.press("Home")
    assert page.evaluate("report.times[report.state.time]") == 0


def test_play_runs_to_the_end_and_stops(opened):
    page = opened()
    page.get_by_label("speed").select_option("fast")
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_function("report.state.time > 3 && report.state.time < 40")
    before = page.evaluate("report.state.time")
    page.wait_for_function(f"report.state.time > {before}")
    page.get_by_role("button", name="Pause").click()
    stopped = page.evaluate("report.state.time")
    page.wait_for_timeout(300)
    assert page.evaluate("report.state.time") == stopped
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("report.state.time === report.times.length - 1")
    page.get_by_role("button", name="Play").wait_for()


def test_the_switch_of_method_changes_what_is_drawn(opened):
    page = opened()
    drawn = "Object.keys(report.data.planes).map(i => report.data.planes[i].title)"
    titles = page.evaluate(drawn)
    seen = set()
    for title in titles:
        page.locator(".method", has_text=title).click()
        settled(page)
        assert page.locator("#planes .panel h3").all_inner_texts() == [title]
        seen.add(page.evaluate("JSON.stringify([...report.panels.values()].at(-1).plot.data[1].x)"))
        assert page.locator(".badges:visible").count() == 1
    assert len(seen) == len(titles) == 3
    # By the keyboard too.
    page.locator("[name=method]").first.focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert page.locator("#planes .panel h3").all_inner_texts() == [titles[1]]
    picture(page, "map")


def test_all_methods_stand_side_by_side(opened):
    page = opened()
    page.get_by_label("all methods").check()
    settled(page)
    assert page.locator("#planes .panel").count() == 3
    slide_to(page, page.evaluate("report.times.indexOf(0)") + 5)
    counts = {page.evaluate(POINTS, f"{name} paths") for name in ("pca", "som", "umap")}
    assert counts == {10 * 6 + 5 * BEFORE}
    picture(page, "all-methods")


def test_a_network_that_is_switched_off_leaves_every_panel(opened):
    page = opened()
    box = page.get_by_label("pair 3, from scratch")
    box.uncheck()
    assert page.evaluate(POINTS, "pca paths") == 8 * SNAPSHOTS + 10 + 5 * BEFORE
    for curve in ("test_accuracy", "test_loss", "speed"):
        names = page.evaluate(
            "name => report.panels.get(name).plot.data"
            ".flatMap(trace => (trace.customdata ?? []).map(row => row && row[0]))",
            curve,
        )
        assert "pair 3, from scratch" not in names
        assert "pair 2, from scratch" in names
    box.check()
    page.get_by_label("all pre-trained").uncheck()
    assert page.evaluate(POINTS, "pca paths") == 5 * SNAPSHOTS
    page.get_by_role("button", name="none").click()
    assert page.evaluate(POINTS, "pca paths") == 0
    page.get_by_role("button", name="all", exact=True).click()
    assert page.evaluate(POINTS, "pca paths") == 9 * SNAPSHOTS + 10 + 5 * BEFORE


def test_pointing_at_a_path_tells_who_when_and_how_well(opened):
    page = opened()
    # Where plotly drew the middle of this network's path.
    place = page.evaluate(
        """() => {
            const { plot, places } = report.panels.get("pca paths");
            const number = report.data.paths.findIndex(({ phase, network }) => phase === "train" &&
                report.data.networks[network].arm === "scratch" && report.data.networks[network].pair === 4);
            const { xaxis, yaxis, _size } = plot._fullLayout, box = plot.getBoundingClientRect();
            scrollTo({ top: box.top + scrollY - 50, behavior: 'instant' });
            const top = plot.getBoundingClientRect();
            return [top.left + _size.l + xaxis.l2p(places.x[number][12]), top.top + _size.t + yaxis.l2p(places.y[number][12])];
        }"""
    )
    page.mouse.move(place[0] - 3, place[1] - 3)
    page.mouse.move(*place)
    label = page.locator("#planes .hoverlayer .hovertext")
    label.wait_for()
    told = label.text_content()
    assert "pair" in told
    assert "on MNIST: step" in told
    assert "test accuracy" in told
    assert "loss" in told
    # The same network stands out everywhere.
    number = page.evaluate("report.state.hovered")
    assert number is not None
    assert page.locator("#planes .highlight").count() > 0
    assert page.locator("#curves .highlight").count() > 1
    assert page.locator(f"[data-network='{number}']").locator("..").get_attribute("class") == "lit"
    picture(page, "pointing")


def test_nulls_come_beside_the_real_paths(opened):
    page = opened()
    page.get_by_label("nulls beside").check()
    settled(page)
    assert page.locator("#planes .panel").count() == 3
    assert page.locator("#planes .panel.null h3").all_inner_texts()[0].startswith("random walk")
    real, walk, shuffled = (
        page.evaluate("name => JSON.stringify(report.panels.get(name).places.x)", f"pca {kind}")
        for kind in ("paths", "random_walk", "shuffled_steps")
    )
    assert len({real, walk, shuffled}) == 3
    assert page.evaluate(POINTS, "pca random_walk") > 0
    # Nothing failed where nothing was learnt.
    assert page.locator("#planes .panel.null").first.locator("path[stroke-dasharray]").count() == 0
    page.get_by_label("nulls beside").uncheck()
    settled(page)
    assert page.locator("#planes .panel").count() == 1
    picture(page, "nulls")


def test_wobble_and_fading_are_drawn_on_demand(opened):
    page = opened()
    kinds = "name => report.panels.get('pca paths').plot.data.filter(trace => name === 'wobble' ? trace.fill === 'toself' : trace.opacity < 0.5).length"
    assert page.evaluate(kinds, "wobble") == 0
    assert page.evaluate(kinds, "faded") > 0
    page.get_by_label("wobble").check()
    page.get_by_label("fade distorted").uncheck()
    settled(page)
    assert page.evaluate(kinds, "wobble") > 0
    assert page.evaluate(kinds, "faded") == 0


def test_colours_follow_the_choice(opened):
    page = opened()
    colours = {}
    for by in ("arm", "accuracy", "epoch", "network"):
        page.locator("#colour").select_option(by)
        settled(page)
        found = page.evaluate(
            "report.panels.get('pca paths').plot.data"
            ".filter(t => t.mode === 'lines' && t.line.dash === 'solid').map(t => t.line.color)"
        )
        colours[by] = set(found)
    arms = page.evaluate("Object.values(report.data.arms)")
    ramps = {colour for arm in arms for colour in arm["ramp"]}
    assert colours["arm"] == {arm["colour"] for arm in arms}
    assert len(colours["network"]) == 8  # of those that did not fail
    for by in ("accuracy", "epoch"):
        assert colours[by] <= ramps
        assert len(colours[by]) > 8


def test_badges_explain_themselves_when_focused(opened):
    page = opened()
    badge = page.locator(".badge:visible").first
    assert "trustworthiness" in badge.inner_text()
    assert not badge.locator(".tip").is_visible()
    page.keyboard.press("Tab")
    badge.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert "neighbours" in badge.locator(".tip").inner_text()


def test_print_shows_pictures_and_numbers_and_no_controls(opened, tmp_path):
    page = opened()
    page.emulate_media(media="print")
    for hidden in ("#time", "#play", ".toolbar", ".networks", "#planes", ".badges"):
        assert page.locator(hidden).first.is_hidden(), hidden
    for shown in (
        "#answer",
        ".method .sketch",
        "#curves .plot",
        ".ranking",
        ".forest",
        "#over-time",
    ):
        assert page.locator(shown).first.is_visible(), shown
    pdf = page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    # Nothing is wider than the paper (210 mm less the margins).
    widths = page.evaluate(
        """() => { dispatchEvent(new Event("beforeprint")); document.body.style.width = "703px";
            return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility() && !e.closest("svg"))
                .map(e => Math.round(e.getBoundingClientRect().right - document.body.getBoundingClientRect().left)); }"""
    )
    assert max(widths) <= 705
    assert page.locator("#parameters").get_attribute("open") is not None


def test_text_that_looks_like_html_is_shown_as_text(opened):
    page = opened(
        "nasty",
        methods=("pca",),
        original=False,
        conclusion=f"Answer {NASTY}",
        reason=NASTY,
    )
    shown = NASTY.replace("\u2028", "").split("<!--")[0]
    assert shown.strip() in page.locator("#answer").inner_text()
    assert shown.strip() in page.locator(".ranking").inner_text()
    assert page.locator(".stand-in summary").count() == 1


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("untested", {"methods": ("umap",), "tested": False, "ranked": False}, 10 * 38 + 5 * 15),
        ("one-arm", {"methods": ("pca", "som"), "arms": ("scratch",), "pairs": 1}, 38),
        ("layers", {"methods": ("pca",), "layers": (2, 3), "pairs": 2}, 4 * 38 + 2 * 15),
    ],
)
def test_a_run_without_some_parts_opens_all_the_same(opened, name, options, count):
    page = opened(name, **options)
    method = options["methods"][0]
    assert page.evaluate(POINTS, f"{method} paths") == count
    slide_to(page, page.evaluate("report.times.indexOf(0)") + 3)
    assert page.evaluate(POINTS, f"{method} paths") < count
    assert page.locator("#nulls").is_enabled() == options.get("tested", True)
    assert page.locator("#layers").is_visible() == (name == "layers")


def test_it_works_in_a_frame_that_may_only_run_scripts(browser, files, tmp_path):
    """As MLflow shows artifacts: without an origin, storage or the right to open anything."""
    report_file = files("usual", methods=("pca", "som", "umap"), failures=FAILURES)
    outer = tmp_path / "outer.html"
    outer.write_text(
        f"<iframe sandbox='allow-scripts' src='{report_file.as_uri()}' width=700 height=900></iframe>"
    )
    page = browser.new_page(viewport=LAPTOP)
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto(outer.as_uri())
    frame = page.frames[1]
    frame.wait_for_function("window.report !== undefined")
    assert frame.locator("#planes .trace").count() > 0
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
    assert troubles == []


def test_fifty_networks_of_a_hundred_snapshots_stay_fluent(opened):
    page = opened("many", methods=("pca", "som"), pairs=25, snapshots=100, failures=FAILURES)
    took = page.evaluate(
        """async () => {
            const took = [], frame = () => new Promise(requestAnimationFrame);
            for (let time = 40; time < 60; time++) {
                report.moveTo(time);
                await frame();  // in which it is drawn
                const before = performance.now();
                document.body.offsetHeight;
                took.push(report.drew + performance.now() - before);
            }
            return took.sort((a, b) => a - b);
        }"""
    )
    print(f"a move of the slider: {took[len(took) // 2]:.0f} ms, at most {took[-1]:.0f} ms")
    assert took[len(took) // 2] < 250  # about 60 on an idle core; others may be at work
