"""Settings from the command line, checked and written with the file's comments."""

import pytest
from project import ROOT
from ruamel.yaml import YAML

from deep_learning_dynamics.cli import settings
from deep_learning_dynamics.errors import ParamsError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return tmp_path


def read(folder):
    return YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text())


def test_values_are_yaml():
    texts = ["a=1e-4", "b=[8, 8]", "c={x: y}", "d= text ", "e=null", "f=a=b"]
    assert settings.assignments(texts) == {
        "a": 1e-4, "b": [8, 8], "c": {"x": "y"}, "d": "text", "e": None, "f": "a=b"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["seed"], "KEY=VALUE"),
        (["=1"], "KEY=VALUE"),
        (["seed=1", "seed=2"], "seed is set already"),
        (["train={}", "train.epochs=1"], "train is set already"),
        (["seed=[1"], "not valid YAML"),
        (["seed=2020-99-99"], "not valid YAML"),
        (["seed=" + "[" * 5000], "not valid YAML"),
    ],
)
def test_what_is_no_setting_is_refused(texts, message):
    with pytest.raises(ParamsError, match=message):
        settings.assignments(texts)


@pytest.mark.parametrize("read", [settings.assignments, settings.choices])
@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("*.weight", '"*.weight"'),
        ("[*.weight, hidden1.bias]", '["*.weight", hidden1.bias]'),
        ("[hidden1.bias,*.weight]", '[hidden1.bias,"*.weight"]'),
        ("%x", '"%x"'),
    ],
)
def test_a_text_that_must_be_quoted_is_shown_quoted(read, value, quoted):
    with pytest.raises(ParamsError) as error:
        read([f"view.parameters={value}"])
    assert str(error.value).startswith(f"-S view.parameters={value}: the value is not valid YAML")
    assert str(error.value).endswith(f" Quote it: -S 'view.parameters={quoted}'")
    read([f"view.parameters={quoted}"])


def test_choices_are_lists_and_commas_in_brackets_belong_to_a_value():
    assert settings.choices(["seed=1,2,1", "network.hidden_layers=[8, 8],[16]"]) == {
        "seed": [1, 2],
        "network.hidden_layers": [[8, 8], [16]],
    }
    with pytest.raises(ParamsError, match="commas"):
        settings.choices(["seed="])


def test_a_mistake_is_refused_and_nothing_is_written(folder):
    before = (folder / "params.yaml").read_bytes()
    with pytest.raises(ParamsError, match=r"train\.epoch\b.*train\.epochs"):
        settings.checked(folder, {"train.epoch": 3})
    assert (folder / "params.yaml").read_bytes() == before


def test_writing_keeps_comments_and_all_other_lines(folder):
    before = (folder / "params.yaml").read_text().splitlines()
    assert settings.write(folder, {"train.epochs": 77, "network.hidden_layers": [3, 4]})
    after = (folder / "params.yaml").read_text().splitlines()
    changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert [other.split("#")[0].split() for _, other in changed] == [
        ["hidden_layers:", "[3,", "4]"],
        ["epochs:", "77"],
    ]
    assert all("#" in other for one, other in changed if "#" in one)
    assert read(folder)["train"]["epochs"] == 77


def test_what_is_written_is_what_was_set(folder):
    values = {
        "robustness": {"seeds": 1},
        "project.methods": ["pca"],
        "view.snapshots": None,
        "view.parameters": ["hidden1.weight", "no"],
        "train.learning_rate": 1e-5,
    }
    settings.write(folder, values)
    raw = read(folder)
    for key, value in values.items():
        section, _, name = key.partition(".")
        assert (raw[section][name] if name else raw[section]) == value
    assert not settings.write(folder, values)  # nothing changes


def test_a_link_stays_a_link(folder):
    target = folder / "elsewhere.yaml"
    (folder / "params.yaml").rename(target)
    (folder / "params.yaml").symlink_to(target)
    settings.write(folder, {"seed": 5})
    assert (folder / "params.yaml").is_symlink()
    assert "seed: 5" in target.read_text()


@pytest.mark.parametrize("value", [1, 1.5, "text", "1", "no", "null", [1, "a"], {"x": [1]}, None])
def test_a_value_on_one_line_is_read_back_as_it_is(value):
    text = settings.written(value)
    assert settings.assignments([f"key={text}"]) == {"key": value}
    assert settings.described({"key": value}) == f"key={text}"
