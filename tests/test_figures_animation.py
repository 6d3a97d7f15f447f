"""The animation: paths grow as networks learn, without flicker, in the colours of the figure."""

import numpy as np
import pytest
from PIL import Image
from test_figures import FAILURES, GLYPHS, MNIST, OMNIGLOT, projection_of

from deep_learning_dynamics.figures import learning_animation, palette
from deep_learning_dynamics.figures.animation import _frames
from deep_learning_dynamics.figures.clock import Clock
from deep_learning_dynamics.figures.gif import animation_of
from deep_learning_dynamics.figures.inputs import Projection, Quality, Trajectory
from deep_learning_dynamics.figures.moments import Moment, moments_of


def trajectory(points, phase="train", arm="scratch", pair=0, failed="", accuracy=None):
    points = np.array(points, float)
    count = len(points)
    accuracy = np.linspace(0.1, 0.9, count) if accuracy is None else np.array(accuracy)
    return Trajectory(phase, arm, pair, 0, failed, np.arange(count) * 1.0, accuracy, points)


def projection_with(*trajectories):
    return Projection("umap", trajectories, Quality(6608, *[None] * 8), None)


def images(animation):
    return [animation.palette[frame].astype(int) for frame in animation.frames]


def is_blue(image):
    """The plane's pixels in any colour of the networks from scratch."""
    plane = image[70:600, 80:660]
    return plane[..., 2] - plane[..., 0] > 50


# From left to right, as wide as the plane.
LINE = trajectory([[n, 0] for n in range(11)])


def test_a_frame_shows_the_paths_up_to_its_epoch_and_no_farther():
    animation = learning_animation(projection_with(LINE), MNIST, OMNIGLOT)
    assert len(animation.frames) == 11
    reached = [np.flatnonzero(is_blue(image).any(axis=0)).max() for image in images(animation)]
    start, end = reached[0], reached[-1]
    assert end - start > 450
    np.testing.assert_allclose(reached, np.linspace(start, end, 11), atol=8)


def test_what_belongs_to_a_moment_is_gone_in_the_next():
    found = images(learning_animation(projection_with(LINE), MNIST, OMNIGLOT))
    columns = [is_blue(image).sum(axis=0) for image in found]
    where = np.flatnonzero(columns[4]).max() - 4  # in the mark of the fifth snapshot
    assert columns[4][where] > 1.5 * columns[-1][where] > 0
    ink = [int((image[90:115, 698:].max(axis=-1) < 80).sum()) for image in found]
    assert max(ink) < 1.3 * ink[0]  # one number over the other would be twice as much


def test_pre_training_comes_first_and_its_path_stays():
    before = trajectory([[0, n] for n in range(4)], "pretrain", "pretrained")
    after = trajectory([[n, 3] for n in range(4)], "train", "pretrained")
    moments = moments_of([after, before])
    assert moments == [
        *(Moment("pretrain", float(n)) for n in range(4)),
        *(Moment("train", float(n)) for n in range(4)),
    ]
    animation = learning_animation(projection_with(after, before), MNIST, OMNIGLOT)
    orange = [
        int((image[70:600, 80:660, 0] - image[70:600, 80:660, 2] > 50).sum())
        for image in images(animation)
    ]
    assert max(orange[:4]) == 0
    assert 0 < orange[4] < orange[5] < orange[6]
    grey = [
        int(
            (np.ptp(image, axis=-1) < 12)[70:600, 80:300].sum()
            - (image.min(axis=-1) > 250)[70:600, 80:300].sum()
        )
        for image in images(animation)
    ]
    assert grey[0] < grey[1] < grey[3]
    assert grey[-1] > 0.7 * grey[3]


def test_the_clock_tells_phase_epoch_and_the_median_of_each_arm():
    from matplotlib.figure import Figure

    networks = [
        trajectory([[0, 0]] * 2, pair=n, accuracy=[0.1, accuracy])
        for n, accuracy in enumerate((0.5, 0.7, 0.9))
    ]
    networks += [trajectory([[0, 0]], "pretrain", "pretrained", accuracy=[0.2])]
    networks += [trajectory([[0, 0]] * 2, "train", "pretrained", accuracy=[0.3, 0.8])]
    clock = Clock(Figure(), projection_with(*networks), "OMNIGLOT", left=7.0, top=6.5)
    assert [text.get_text() for text in clock.set(Moment("train", 1.0))] == [
        "learning MNIST",
        "epoch 1.0",
        "median test accuracy on MNIST",
        "70.0 %  from scratch",
        "80.0 %  pre-trained",
    ]
    assert [text.get_text() for text in clock.set(Moment("pretrain", 0.0))] == [
        "pre-training on OMNIGLOT",
        "epoch 0.0",
        "median test accuracy on OMNIGLOT",
        "20.0 %  pre-trained",
        "",
    ]


def test_long_trainings_are_shown_in_about_sixty_frames_from_the_start_to_the_end():
    long = trajectory(np.zeros((1000, 2)))
    before = trajectory(np.zeros((500, 2)), "pretrain", "pretrained")
    moments = moments_of([long, before])
    assert len(moments) == 60
    assert moments[0] == Moment("pretrain", 0.0)
    assert moments[-1] == Moment("train", 999.0)


def test_failures_are_marked_when_they_are_over():
    dead = trajectory([[n / 2, 1] for n in range(11)], pair=1, failed="dead")
    found = images(learning_animation(projection_with(LINE, dead), MNIST, OMNIGLOT))
    # Ink that has no hue: the cross, in the plane but not on its frame.
    dark = [int((image[90:590, 90:650].max(axis=-1) < 60).sum()) for image in found]
    assert dark[-1] > 20
    assert max(dark[:-1]) == 0


def test_what_does_not_change_does_not_flicker(tmp_path):
    projection = projection_of(tmp_path, "som", pairs=2, failures=FAILURES, tested=True)
    frames = learning_animation(projection, MNIST, GLYPHS).frames
    # Title, legend, colour bars and footer.
    for region in (np.s_[:60], np.s_[270:, 690:], np.s_[660:]):
        for frame in frames[1:]:
            np.testing.assert_array_equal(frame[region], frames[0][region])


def test_the_file_holds_every_frame_and_its_colours_and_waits_at_the_end(tmp_path):
    animation = learning_animation(projection_with(LINE), MNIST, OMNIGLOT)
    animation.write(tmp_path / "learning.gif")
    with Image.open(tmp_path / "learning.gif") as file:
        assert file.size == (960, 720)
        assert file.n_frames == 11
        assert file.info["loop"] == 0
        lasting = []
        for number, image in enumerate(images(animation)):
            file.seek(number)
            lasting.append(file.info["duration"])
            np.testing.assert_array_equal(np.array(file.convert("RGB")), image)
    assert lasting == [120] * 10 + [2000]


def test_the_file_is_small_and_always_the_same(tmp_path):
    projection = projection_of(tmp_path, "som", failures=FAILURES, tested=True)
    for name in ("one.gif", "two.gif"):
        learning_animation(projection, MNIST, GLYPHS).write(tmp_path / name)
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
    assert (tmp_path / "one.gif").stat().st_size < 1e6


@pytest.mark.parametrize("options", [{"layers": (2, 3, 4)}, {"arms": ("scratch",)}])
def test_layers_and_single_arms_are_shown_too(tmp_path, options):
    projection = projection_of(tmp_path, pairs=1, snapshots=12, **options)
    animation = learning_animation(projection, MNIST, OMNIGLOT)
    first, last = (is_blue(images(animation)[n]).sum() for n in (0, -1))
    assert last > 3 * max(first, 1)


def test_exact_colours_stay_and_the_others_become_the_nearest():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    exact = np.array([[255, 101, 7], [3, 77, 199]], np.uint8)
    noise[0, :2] = exact
    animation = animation_of([(noise, 1.0)], exact)
    (image,) = images(animation)
    np.testing.assert_array_equal(image[0, :2], exact)
    assert len(animation.palette) <= 255
    # 255 colours in a cube lie about 40 apart.
    assert np.abs(image - noise).mean() < 20


def test_the_colours_are_those_of_the_figure():
    """Of the accuracy at the time: what was drawn early is as light as it was."""
    flat = trajectory([[n, 0] for n in range(5)], accuracy=np.full(5, 0.9))
    image = images(
        learning_animation(projection_with(flat, trajectory([[0, 3]] * 5, pair=1)), MNIST, OMNIGLOT)
    )[-1]
    darkest = np.rint(255 * palette.ramp("scratch")[-1]).astype(int)
    close = (np.abs(image - darkest) <= 6).all(axis=-1)
    assert close[70:600, 80:660].sum() > 400


def test_one_frame_after_another_is_drawn():
    """The frames are made one by one: none is kept that is not needed."""
    frames = _frames(projection_with(LINE), MNIST, OMNIGLOT)
    image, seconds = next(frames)
    assert image.shape == (720, 960, 4)
    assert seconds == 0.12
