"""What counts as the same when a run is computed again."""

from deep_learning_dynamics.cli.likeness import compare


def page(folder, body, footer):
    folder.mkdir()
    (folder / "index.html").write_text(f"<p>{body}</p><footer>{footer}</footer>")
    return folder


def test_a_page_is_the_same_wherever_it_was_made(tmp_path):
    here = page(tmp_path / "here", "the answer", "commit a")
    there = page(tmp_path / "there", "the answer", "commit b, another processor")
    assert compare(here, there).identical


def test_a_page_that_says_something_else_differs(tmp_path):
    here = page(tmp_path / "here", "the answer", "commit a")
    there = page(tmp_path / "there", "another answer", "commit a")
    assert not compare(here, there).identical
