"""The stand-in for OMNIGLOT: which characters it has, and whether they look drawn."""

import dataclasses
import hashlib

import numpy as np
import pytest
from small_datasets import drawn_glyphs

from deep_learning_dynamics.datasets import alphabets, glyphs, hands, provenance
from deep_learning_dynamics.datasets.centrelines import filled, thinned
from deep_learning_dynamics.errors import DataError


def square(low, high):
    return [(low, low), (high, low), (high, high), (low, high)]


def test_it_has_hundreds_of_characters_of_many_alphabets_drawn_twenty_times():
    characters = drawn_glyphs()
    names = {character.alphabet for character in characters}
    assert len(names) == 24
    assert len(characters) == 722
    assert all(character.ink.shape == (20, 105, 105) for character in characters)
    # Small alphabets would be a class of few examples: OMNIGLOT's smallest has 14 characters.
    for name in names:
        assert len(alphabets.code_points(name)) >= 14
    about = provenance.ABOUT["omniglot", False].description
    assert "722 characters of 24 alphabets" in about


def test_the_same_drawings_come_in_every_process_and_on_every_machine():
    """The fingerprint was made once; another one means that published results change."""
    digest = hashlib.sha256()
    for character in drawn_glyphs():
        digest.update(f"{character.alphabet} {character.name}".encode())
        digest.update(np.packbits(character.ink))
    assert digest.hexdigest() == "dfbdec4041479938ed1c371ebec743108be863a1f449c6d4771f8904dd079bce"


def test_an_alphabet_less_changes_no_other(monkeypatch):
    monkeypatch.setattr(glyphs, "ALPHABETS", ["Hebrew"])
    alone = list(glyphs.characters())
    together = [character for character in drawn_glyphs() if character.alphabet == "Hebrew"]
    assert [character.name for character in alone] == [character.name for character in together]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.ink, other.ink)


def test_code_points_are_those_of_the_spans():
    assert alphabets.code_points("Georgian Mkhedruli") == list(range(0x10D0, 0x10F1))
    assert alphabets.code_points("Coptic and archaic Greek")[:4] == [0x371, 0x373, 0x3D0, 0x3D1]
    every = [code for name in alphabets.ALPHABETS for code in alphabets.code_points(name)]
    assert len(every) == len(set(every))


def test_a_character_that_the_font_lacks_is_an_error_that_names_it(monkeypatch):
    monkeypatch.setitem(alphabets.ALPHABETS, "Latin", "4E00")
    monkeypatch.setattr(glyphs, "ALPHABETS", ["Latin"])
    with pytest.raises(DataError, match=r"DejaVuSans\.ttf of matplotlib has no U\+4E00 \(Latin\)"):
        list(glyphs.characters())


def test_drawings_have_as_much_ink_as_omniglots_and_fill_as_much_of_the_paper():
    """OMNIGLOT: ink on 7.8 % of the paper; half of the drawings reach over 62 pixels or more."""
    ink = np.concatenate([character.ink for character in drawn_glyphs()])
    assert 0.06 < ink.mean() < 0.09
    reach = []
    for axis in (1, 2):
        touched = ink.any(axis=axis)
        first, last = touched.argmax(axis=1), 104 - touched[:, ::-1].argmax(axis=1)
        reach.append(last - first + 1)
    assert 55 < np.median(np.maximum(*reach)) < 70
    assert ink.any(axis=(1, 2)).all()
    # Nothing is cut off at the edge of the paper.
    assert not ink[:, [0, -1]].any()
    assert not ink[:, :, [0, -1]].any()


def test_drawings_are_thin_lines():
    """Three erosions take nearly all of a pen stroke, and would leave most of a printed shape."""
    ink = np.concatenate([character.ink[:2] for character in drawn_glyphs()])
    printed = np.zeros((1, 105, 105), bool)
    printed[0, 20:80, 20:80] = True

    def left(shapes):
        eroded = shapes
        for _ in range(3):
            inner = eroded.copy()
            for axis in (1, 2):
                for step in (-1, 1):
                    inner &= np.roll(eroded, step, axis)
            eroded = inner
        return eroded.sum() / shapes.sum()

    assert left(ink) < 0.05
    assert left(printed) > 0.8


def test_no_two_drawings_of_a_character_are_alike_yet_more_alike_than_of_two_characters():
    rng = np.random.default_rng(0)
    chosen = [drawn_glyphs()[i] for i in rng.choice(722, 60, replace=False)]
    views = np.stack([normalised(np.argwhere(ink)) for c in chosen for ink in c.ink])
    for character in chosen:
        assert len(np.unique(character.ink.reshape(20, -1), axis=0)) == 20
    flat = blurred(views).reshape(60, 20, -1)
    same = np.mean([(v[:10] * v[10:]).sum(axis=1).mean() for v in flat])
    other = np.mean([(flat[i, :10] * flat[i - 1, 10:]).sum(axis=1).mean() for i in range(60)])
    assert 0.3 < same < 0.95
    assert same > other + 0.1


def test_no_character_looks_like_one_of_another_alphabet():
    """Measured on the lines before they are bent. Greek omicron and Latin o, which is left out
    for that reason, are what the measure is meant to find."""
    lines = list(glyphs.centre_lines())
    views = np.stack([normalised(line) for _, _, line in lines])
    alphabet = np.array([name for name, _, _ in lines])
    views = blurred(views).reshape(len(views), -1)
    alike = views @ views.T
    alike[alphabet[:, None] == alphabet] = 0
    i, j = np.unravel_index(alike.argmax(), alike.shape)
    assert alike[i, j] < 0.96, (lines[i][:2], lines[j][:2])


def test_a_dot_is_a_blob_and_the_end_of_a_line_is_not():
    lines = {code: line for _, code, line in glyphs.centre_lines()}
    ring, ring_with_dot = lines[0x2D54], lines[0x2D59]  # Tifinagh yar and yas
    middle = (ring_with_dot.min(axis=0) + ring_with_dot.max(axis=0)) / 2
    inside = (np.abs(ring_with_dot - middle) < 10).all(axis=1)
    assert np.ptp(ring_with_dot[inside], axis=0).min() >= 6
    assert not (np.abs(ring - middle) < 10).all(axis=1).any()
    upright = lines[0x627]  # Arabic alef, a plain stroke
    assert np.ptp(upright[:, 0]) <= 1
    assert np.ptp(upright[:, 1]) > 60


def test_the_measure_of_likeness_finds_latin_o_and_greek_omicron(monkeypatch):
    monkeypatch.setattr(glyphs, "ALPHABETS", ["Greek", "Latin"])
    monkeypatch.setitem(alphabets.ALPHABETS, "Latin", "6F-70")
    monkeypatch.setitem(alphabets.ALPHABETS, "Greek", "3BF")
    lines = [line for _, _, line in glyphs.centre_lines()]
    omicron, o, p = blurred(np.stack([normalised(line) for line in lines]))
    assert (omicron * o).sum() > 0.99
    assert (omicron * p).sum() < 0.9


def test_a_filled_outline_has_the_area_of_its_polygon_and_holes_are_left_out():
    outer, inner = square(0, 20), square(5, 10)
    assert filled([outer], 1.0).sum() == 400
    assert filled([outer], 0.5).sum() == 1600
    # TrueType's holes run the other way round; one that runs the same way is filled.
    assert filled([outer, inner[::-1]], 1.0).sum() == 400 - 25
    assert filled([outer, inner], 1.0).sum() == 400


def test_the_top_of_a_glyph_is_the_first_row():
    triangle = [(0, 0), (20, 0), (10, 20)]
    rows = filled([triangle], 1.0).sum(axis=1)
    rows = rows[rows > 0]
    assert rows[0] < 3
    assert rows[-1] > 17


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
def test_a_bar_is_thinned_to_a_line_of_its_length_whatever_its_direction(degrees):
    """45° is where Zhang and Suen's own rule leaves nothing."""
    rows, columns = np.mgrid[:81, :81] - 40
    across, along = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    bar = np.abs(rows * across - columns * along) <= 4
    bar &= np.abs(columns * across + rows * along) <= 30
    line = thinned(bar)
    assert not (line & ~bar).any()
    extent = np.hypot(*np.ptp(np.argwhere(line), axis=0))
    assert 60 - 10 < extent <= 66
    assert line.sum() < 1.5 * extent


def test_a_ring_is_thinned_to_a_closed_line_around_its_hole():
    rows, columns = np.mgrid[:41, :41] - 20
    distance = np.hypot(rows, columns)
    line = thinned((distance > 8) & (distance < 16))
    assert np.abs(distance[line] - 12).max() < 2
    angles = np.sort(np.arctan2(rows[line], columns[line]))
    assert np.diff(angles).max() < 0.3


def test_bends_are_smooth_and_as_far_as_asked():
    rng = np.random.default_rng(0)
    x = np.linspace(-40, 40, 200)
    points = np.stack([x, 0.3 * x], axis=1)
    moves = hands.bends(points, 50, 20.0, 10.0, rng)
    assert moves.shape == (50, 200, 2)
    assert np.abs(moves).max() <= 10
    assert 1 < moves.std() < 6
    assert np.abs(np.diff(moves, axis=1)).max() < 1  # a step is 0.4 pixels
    # Drawers bend independently, and so do places far apart.
    assert abs(np.corrcoef(moves[:, 0, 0], moves[:, -1, 0])[0, 1]) < 0.4


def test_a_hand_keeps_its_style_from_character_to_character():
    """What a drawer draws large in half of an alphabet is large in the other half."""
    characters = [c for c in drawn_glyphs() if c.alphabet == "Georgian Mkhedruli"]
    weight = np.stack([character.ink.sum(axis=(1, 2)) for character in characters])
    halves = weight[::2].mean(axis=0), weight[1::2].mean(axis=0)
    assert np.corrcoef(*halves)[0, 1] > 0.8
    shuffled = np.random.default_rng(0).permutation(halves[1])
    assert np.corrcoef(halves[0], shuffled)[0, 1] < 0.5


def test_a_straight_line_comes_out_bent_from_restless_hands_and_straight_from_calm_ones():
    line = np.stack([np.arange(90), np.full(90, 7)], axis=1)
    style = hands.Hands.random(np.random.default_rng(0), 20)
    calm = dataclasses.replace(style, unrest=np.zeros(20))
    bent, straight = (
        np.array([residual(ink) for ink in hand.drawn(line, np.random.default_rng(1))])
        for hand in (style, calm)
    )
    # An even band of width w is off its middle by w/√12; the round pen's band is a little wider.
    assert (straight < 1.2 * style.pen / np.sqrt(12)).all()
    bend = np.sqrt(np.maximum(0, bent**2 - straight**2))
    assert 0.5 < np.median(bend) < 3


def residual(ink):
    """How far ink lies from the straight line that fits it best, in pixels (root mean square)."""
    points = np.argwhere(ink).astype(float)
    return np.linalg.svd(points - points.mean(axis=0))[1][1] / np.sqrt(len(points))


def test_a_pen_is_as_wide_as_it_says():
    path = np.full((2, 1, 2), 50.3)
    ink = hands.inked(path, np.array([4, 5]))
    for drawing, width in zip(ink, (4, 5), strict=True):
        rows, columns = np.nonzero(drawing)
        assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == width
        assert abs(rows.mean() - 50) <= 1


def normalised(points):
    """Points (x, y) moved and scaled so that the larger side of what they show has 32 of 40."""
    view = np.zeros((40, 40))
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 32 / max((high - low).max(), 16)
    columns, rows = np.rint((points - (low + high) / 2) * scale + 19.5).astype(int).T
    view[rows, columns] = 1
    return view


def blurred(views):
    """Views blurred and of unit length, so that the product of two says how alike they are."""
    kernel = np.array([1, 3, 4, 3, 1]) / 12
    for axis in (1, 2):
        views = sum(w * np.roll(views, step - 2, axis) for step, w in enumerate(kernel))
    return views / np.sqrt((views**2).sum(axis=(1, 2), keepdims=True))
