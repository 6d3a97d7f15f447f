"""The page says what the results say, whatever names people gave, and its pictures are linked."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from made_results import STEPS, build, write_store

from deep_learning_dynamics import figures, store
from deep_learning_dynamics.figures import Style
from deep_learning_dynamics.figures.paths import plane_of
from deep_learning_dynamics.report import About, report
from deep_learning_dynamics.report.linked import LinkedNetworks, linked
from deep_learning_dynamics.report.tables import shade
from deep_learning_dynamics.results import Results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four pairs with everything that the page can say, null models included."""
    runs = tmp_path_factory.mktemp("store") / "runs.zarr"
    write_store(runs, pairs=4, failed={"pretrained-2": "dead"}, steps=STEPS[::4])
    made = build(pairs=4, failed={"pretrained-2": "dead"})
    known = Results.of(store.open(str(runs)), by="condition")
    return replace(known, projections=made.projections, provenance=made.provenance)


@pytest.fixture(scope="module")
def path(results, tmp_path_factory):
    about = About(settings="seed: 0", footer="made at the commit abc")
    return report(results, tmp_path_factory.mktemp("report") / "report.html", about=about)


@pytest.fixture(scope="module")
def text(path):
    return path.read_text("utf-8")


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])


def test_the_first_sentence_is_the_verdict(results, text):
    body = text[text.index("<main>") :]
    words = re.sub(r"<[^>]+>", " ", body).split()
    verdict = results.comparisons.verdict.sentence.split()
    assert words[: len(verdict)] == verdict


def test_the_same_results_give_the_same_bytes(results, tmp_path, path):
    about = About(settings="seed: 0", footer="made at the commit abc")
    again = report(results, tmp_path / "again.html", about=about)
    assert again.read_bytes() == path.read_bytes()


def test_paths_end_where_the_projection_says(results, text):
    data = data_of(text)
    assert [method["title"] for method in data["methods"]]
    (key,) = results.projections
    table = results.projections[key].coordinates
    for path in data["methods"][0]["paths"]:
        network = data["networks"][path["network"]]
        pair = table[(table["pair"].astype(str) == network["pair"])]
        ends = pair.groupby("network").tail(1)[["x", "y"]].to_numpy()
        here = np.array([path["x"][-1], path["y"][-1]])
        assert np.isclose(ends, here, rtol=1e-4).all(axis=1).any()


def test_planes_leave_no_room_for_ellipses_which_the_page_does_not_draw(results, text):
    (key,) = results.projections
    table = results.projections[key].coordinates
    wide = table.assign(spread_xx=(0.3 * np.ptp(table["x"])) ** 2, spread_yy=1e-6, spread_xy=0.0)
    projection = replace(results.projections[key], coordinates=wide)
    changed = replace(results, projections={key: projection})
    (before,) = data_of(text)["methods"]
    networks = LinkedNetworks.of(changed)
    (after,) = linked(changed, networks, [key])["methods"]
    assert plane_of(projection, changed, Style())[0].ellipses[0]
    assert after["frame"] == before["frame"]


def test_a_score_that_was_not_recorded_is_not_given_as_if_it_was(results, tmp_path):
    (key,) = results.projections
    table = results.projections[key].coordinates
    scarce = table.assign(test_accuracy=table["test_accuracy"].where(table["snapshot"] % 2 == 0))
    projection = replace(results.projections[key], coordinates=scarce)
    page = report(replace(results, projections={key: projection}), tmp_path / "page.html")
    text = page.read_text("utf-8")
    assert "higher test accuracy, interpolated over steps where it was not recorded" in text
    for path in data_of(text)["methods"][0]["paths"]:
        numbers = [re.search(r"accuracy \d", each) is not None for each in path["text"]]
        assert numbers == [at % 2 == 0 for at in range(len(numbers))]
        assert path["text"][1].endswith("test accuracy not recorded")
        assert path["colours"][-2] != path["colours"][0]


def test_earlier_training_leads_to_the_start(text):
    paths = data_of(text)["methods"][0]["paths"]
    led = [path for path in paths if path["before"][0]]
    assert len(led) == len(paths) / 2  # of the pre-trained networks
    for path in led:
        assert (path["before"][0][-1], path["before"][1][-1]) == (path["x"][0], path["y"][0])


def test_the_reading_of_each_method_has_its_name(text, results):
    for block in re.findall(r"<div data-method=.*?</div>", text, re.S):
        title = re.search(r"<h3>(.*?)</h3>", block)[1]
        assert title == "Principal component analysis"
        assert block.index(title) < block.index("May be read:")
    assert text.count("<div data-method=") == len(results.projections)


def test_a_failed_network_is_marked_and_counted(text):
    networks = data_of(text)["networks"]
    assert [network["failed"] for network in networks].count(True) == 1
    assert "1 of 8" in text


def test_each_row_of_the_table_has_the_numbers_of_its_comparison(results, text):
    for item in results.comparisons.items:
        if item.parameter or item.adjusted_p is None:
            continue
        row = re.search(rf"<tr[^>]*>\s*<th[^>]*>{title_of(item)}</th>.*?</tr>", text, re.S)
        assert row, item.measure
        assert ("significant" in row[0]) == item.significant


def test_rows_of_partners_stand_under_heads_of_their_own(text):
    table = re.search(r"<h3>pre-trained compared with from scratch</h3>.*?</table>", text, re.S)[0]
    head, *bodies = re.split(r"<tbody>", table)
    assert len(bodies) == 2
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", head)
    assert heads[:3] == ["measure", "from scratch", "pre-trained"]
    assert "Path length" in bodies[0]
    assert "partners" not in bodies[0]
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", bodies[1])
    assert heads[:3] == ["Partners against other pairs", "other pairs", "partners"]
    assert bodies[1].count("</td></tr>") == 2


def title_of(item):
    from deep_learning_dynamics.quantities import quantity

    title = quantity(item.measure).title
    return re.escape(title[:1].upper() + title[1:]).replace("'", "&#39;")


def test_names_of_people_are_text_and_not_markup(tmp_path):
    results = build(pairs=2, conditions=("<b>one</b>", "</script><script>alert(1)</script>"))
    text = report(results, tmp_path / "report.html").read_text("utf-8")
    assert "<b>one</b>" not in text
    assert "<script>alert" not in text
    assert text.count("</script>") == 3


def test_ends_of_many_groups_have_signs_of_their_own(tmp_path):
    results = build(pairs=1, conditions=tuple("abcdefghij"), earlier=False, robust=False)
    text = report(results, tmp_path / "report.html").read_text("utf-8")
    symbols = [group["symbol"] for group in data_of(text)["groups"]]
    assert symbols == ["square"] * 8 + ["diamond"] * 2
    assert text.count('class="swatch diamond"') == 4  # above the planes and in the list
    assert "the group&#39;s sign: end" in text


def test_parts_that_were_not_made_are_left_out(results, tmp_path):
    alone = Results(by=results.by, titles=results.titles, projections=results.projections)
    text = report(alone, tmp_path / "report.html").read_text("utf-8")
    assert 'id="answer"' not in text
    assert 'id="measures"' not in text
    assert data_of(text)["methods"]
    empty = report(Results(), tmp_path / "empty.html").read_text("utf-8")
    assert data_of(empty)["methods"] == []


# In a browser


@pytest.fixture
def opened(browser, path):
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('#planes .plot').data")
    yield page
    page.close()
    assert errors == []


def opacities(page):
    """Of the traces of the first plot, by network."""
    return page.evaluate(
        "document.querySelector('#planes .plot').data.map(t => [t.meta, t.opacity ?? 1])"
    )


def test_analyses_of_networks_have_a_section_with_their_answers(results, tmp_path):
    from hand_made_stores import dataset, walks

    from deep_learning_dynamics.figures import caption
    from deep_learning_dynamics.geometry import analyse

    class Flat:
        def scores(self, weights):
            return np.ones(len(weights)), np.full(len(weights), 0.9)

        def activations(self, weights):
            return {}

    geometry = analyse(dataset(walks(3, 4)), analyses=["barriers"], forward=Flat())
    with_geometry = replace(results, geometry=geometry)
    page = report(with_geometry, tmp_path / "page.html").read_text("utf-8")
    section = re.search(r'<section id="geometry">.*?</section>', page, re.S)[0]
    answer = caption("barriers", with_geometry).split(". ")[0]
    assert answer.startswith("3 of 3 networks are connected")
    assert answer in section
    assert "Further figures" not in page


@pytest.mark.browser
def test_pointing_at_a_network_finds_it_and_its_partner(opened):
    networks = opened.evaluate("JSON.parse(document.querySelector('#data').textContent).networks")
    opened.hover("#networks label[data-network='0']")
    opened.wait_for_timeout(300)
    for number, opacity in opacities(opened):
        mine = networks[number]["pair"] == networks[0]["pair"]
        assert (opacity > 0.5) == mine
    lit = opened.locator("#networks label.lit").count()
    assert lit == sum(network["pair"] == networks[0]["pair"] for network in networks)


@pytest.mark.browser
def test_a_network_and_a_group_can_be_hidden(opened):
    opened.uncheck("#networks input[data-network='1']")
    assert dict(opacities(opened))[1] == 0
    opened.uncheck("#networks input[data-group='0']")
    hidden = opened.evaluate(
        "document.querySelector('#planes .plot').data.filter(t => !t.visible).length"
    )
    assert hidden >= 8  # two traces for each of four networks


@pytest.mark.browser
def test_time_cuts_paths_and_ends_with_all_of_them(opened):
    def lengths():
        return opened.evaluate(
            "document.querySelector('#planes .plot').data.filter(t => t.path)"
            ".map(t => [t.x.length, t.path.x.length])"
        )

    def move(value):
        opened.evaluate(
            f"const s = document.querySelector('#time'); s.value = {value};"
            "s.dispatchEvent(new Event('input'))"
        )

    move(3)
    assert all(1 <= now < whole for now, whole in lengths())
    move(opened.get_attribute("#time", "max"))
    assert all(now == whole for now, whole in lengths())


@pytest.mark.browser
def test_a_null_model_stands_beside_the_paths_within_the_window(opened):
    opened.select_option("#nulls", index=1)
    opened.wait_for_timeout(500)
    boxes = [each.bounding_box() for each in opened.locator("#planes .plot").all()]
    drawn = [each.bounding_box() for each in opened.locator("#planes .main-svg").all()]
    assert len(boxes) == 2
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert max(box["width"] for box in drawn) <= max(box["width"] for box in boxes) + 1


@pytest.mark.browser
def test_real_paths_are_drawn_at_the_snapshots_of_the_null_model_beside_them(opened, results):
    """Paths of more snapshots would look less smooth than those of the null model."""

    def lengths():
        return opened.evaluate(
            "[...document.querySelectorAll('#planes .plot')]"
            ".map(e => e.data.filter(t => t.path).map(t => t.x.length))"
        )

    (whole,) = lengths()
    assert not opened.is_visible("#null-note")
    opened.select_option("#nulls", index=1)
    opened.wait_for_timeout(300)
    real, null = lengths()
    assert real == null
    assert max(real) < min(whole)
    (projection,) = results.projections.values()
    seen = np.isfinite(projection.robustness.examples["momentum_walk"]).all(axis=1)
    assert f"at {seen.sum():,} of {len(seen):,} snapshots" in opened.inner_text("#null-note")
    assert "no scores" in opened.inner_text("#null-note")
    opened.select_option("#nulls", index=0)
    assert lengths() == [whole]
    assert not opened.is_visible("#null-note")


@pytest.mark.browser
def test_a_finger_finds_a_network_by_tapping_its_path(browser, path):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('#planes .plot').data")
    page.locator("#planes").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    x, y = page.evaluate(
        """(() => {
          const plot = document.querySelector('#planes .plot'), box = plot.getBoundingClientRect();
          const { xaxis, yaxis, _size } = plot._fullLayout, trace = plot.data.find((t) => t.path);
          const [end] = trace.x.slice(-1), [height] = trace.y.slice(-1);
          return [box.left + _size.l + xaxis.l2p(end), box.top + _size.t + yaxis.l2p(height)];
        })()"""
    )
    for lit in (2, 0):  # the network and its partner; a second tap ends it
        page.touchscreen.tap(x, y)
        page.wait_for_timeout(700)
        assert page.locator("#networks label.lit").count() == lit
    assert "tap its path" in page.inner_text("#curves")
    context.close()


@pytest.mark.browser
def test_a_phone_keeps_measure_effect_and_p(browser, path):
    page = browser.new_page(viewport={"width": 380, "height": 740})
    page.goto(path.as_uri())
    shown = page.evaluate(
        "[...document.querySelectorAll('#measures thead tr:first-child th')]"
        ".filter(e => e.offsetWidth).map(e => e.textContent)"
    )
    assert shown[:3] == ["measure", "effect", "p"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Figures keep their size and scroll inside their boxes, as their texts are small.
    for box, image in page.evaluate(
        "[...document.querySelectorAll('#measures figure .scroll')]"
        ".map(e => [e.clientWidth, e.firstElementChild.getBoundingClientRect().width])"
    ):
        assert box < 380
        assert image >= 640
    hint = "getComputedStyle(document.querySelector('#measures figure'), '::before').content"
    assert "Scroll sideways" in page.evaluate(hint)
    list_of = "(e => [e.scrollHeight, e.clientHeight])(document.querySelector('#networks'))"
    needed, there = page.evaluate(list_of)
    assert needed == there
    lacking = page.locator("text=Values and differences: on a wider screen")
    assert lacking.is_visible()
    page.set_viewport_size({"width": 900, "height": 740})
    assert not lacking.is_visible()
    assert page.evaluate(hint) == "none"
    page.set_viewport_size({"width": 380, "height": 740})
    # Plots follow a moment later.
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.close()


def test_lightness_is_explained_only_where_it_shows_a_score(results):
    (key,) = results.projections
    projection = results.projections[key]
    assert shade(results, [key]).startswith("test accuracy")
    assert "Lightness: test accuracy" in figures.caption("paths", results, variant=key)
    unknown = [
        projection.coordinates.assign(test_accuracy=np.nan),
        projection.coordinates.drop(columns="test_accuracy"),
    ]
    for coordinates in unknown:
        without = replace(results, projections={key: replace(projection, coordinates=coordinates)})
        assert shade(without, [key]) == ""
        assert "Lightness" not in figures.caption("paths", without, variant=key)
    assert shade(results, []) == ""
