"""Settings of training: what is accepted, what is refused and how, and where they are looked for."""

from __future__ import annotations

import dataclasses

import pytest

from mtcnn_fast.checks import settings_of
from mtcnn_fast.config import WEIGHTS
from mtcnn_fast.errors import ConfigError, DataError
from support.bad_values import bad_values
from support.data import ROOT

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.training import TrainOptions, load_config  # noqa: E402
from mtcnn_fast.training.data_sources import DataSource  # noqa: E402
from mtcnn_fast.training.losses import LANDMARK_KINDS  # noqa: E402
from mtcnn_fast.training.samples.augment import AugmentOptions  # noqa: E402
from mtcnn_fast.training.samples.sample_options import SampleOptions  # noqa: E402

DRAWN = "[[data.sets]]\nformat = 'drawn'\ncount = 3\n"
LIST = "[[data.sets]]\nformat = 'landmark_list'\nannotation = 'list.txt'\nimages = '.'\n"


def load(tmp_path, text, **settings):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path, **settings)


@pytest.mark.parametrize("name", ["smoke", "small", "finetune"])
def test_the_projects_own_files_are_accepted(name):
    config = load_config(ROOT / "configs" / f"{name}.toml")
    assert set(config.stages) == {"p", "r", "o"}
    assert config.data.sets


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*wider*.toml")), ids=lambda path: path.stem)
def test_those_of_the_soft_recipe_are_accepted(path):
    config = load_config(path)
    assert config.recipe == "soft"
    assert config.data.sets


def test_the_turned_faces_own_file_turns_them():
    for stage in "ro":
        assert getattr(load_config(ROOT / "configs" / "wider-turned.toml").soft, stage).warp.rotation == 45


def test_defaults_are_the_papers(tmp_path):
    config = load(tmp_path, DRAWN)
    alpha = {name: config.stage(name).train.alpha for name in "pro"}
    assert alpha == {"p": (1.0, 0.5, 0.5), "r": (1.0, 0.5, 0.5), "o": (1.0, 0.5, 1.0)}
    train = config.stage("p").train
    assert (train.ratio, train.mining, train.keep) == ((3.0, 1.0, 1.0, 2.0), "online", 0.7)
    assert (config.box_coding, config.init, LANDMARK_KINDS) == ("corner", "random", (3,))


def test_a_stage_overrides_what_is_common(tmp_path):
    text = (
        "seed = 7\nbox_coding = 'rcnn'\n" + DRAWN + "[train]\nsteps = 10\nkeep = 0.5\n[samples]\ntotal = 700\n"
        "[r.train]\nsteps = 20\nmilestones = [0.5]\n[o.samples]\ntotal = 70\n[o.train.augmentation]\nflip = 0.1\n"
    )
    config = load(tmp_path, text)
    assert [config.stage(name).train.steps for name in "pro"] == [10, 20, 10]
    assert [config.stage(name).samples.total for name in "pro"] == [700, 700, 70]
    train = config.stage("r").train
    assert (train.keep, train.milestones, train.seed, train.box_coding) == (0.5, (0.5,), 7, "rcnn")
    assert config.stage("o").train.augmentation.flip == 0.1


def test_paths_are_relative_to_the_file_or_to_the_folder_given(tmp_path):
    text = "init = 'w'\n[data]\nroot = '../data'\n" + DRAWN
    config = load(tmp_path, text)
    assert config.data.root == tmp_path / "../data"
    assert config.init == str(tmp_path / "w")
    (tmp_path / "named.toml").write_text(text.replace("'w'", f"'{WEIGHTS[-1]}'"))
    assert load_config(tmp_path / "named.toml").init == WEIGHTS[-1]
    assert load(tmp_path, text, data="/elsewhere").data.root.as_posix() == "/elsewhere"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "is not TOML"),
        ("", r"data.sets must be one or more tables \[\[data.sets\]\]"),
        (DRAWN + "[train]\nstep = 3\n", "unknown setting 'step' in p.train"),
        (DRAWN + "[q]\n", "unknown setting 'q': there are .*box_coding"),
        (DRAWN + "[p]\ntrian = {}\n", "unknown setting 'trian' in p: there are samples, train"),
        (DRAWN + "[r.train]\nkeep = 0\n", "r.train.keep must be a number above 0 and at most 1, got 0"),
        (DRAWN + "[o.samples]\ntotal = -1\n", "o.samples.total must be a whole number of at least 1, got -1"),
        (DRAWN + "[o.train]\nseed = 1\n", "seed belongs at the top of the file, not into train"),
        (DRAWN + "[train.augmentation]\nflip = 2\n", "p.train.augmentation.flip must be a number from 0 to 1"),
        (DRAWN + "[train]\naugmentation = 1\n", "augmentation must be a table, got 1"),
        ("seed = -1\n" + DRAWN, "seed must be a whole number of at least 0, got -1"),
        ("landmarks = 1\n" + DRAWN, "landmarks must be true or false, got 1"),
        ("workers = 0\n" + DRAWN, "workers must be a whole number of at least 1, got 0"),
        ("init = 3\n" + DRAWN, "init must be random, shipped, the name or a path of weights, got 3"),
        ("[data]\nheld_out = 1\n" + DRAWN, "data.held_out must be a number of at least 0 and below 1, got 1"),
        ("[data]\nroot = 1\n" + DRAWN, "data.root must be a folder, got 1"),
        ("[[data.sets]]\nformat = 'voc'\n", "data.sets.format must be one of .*widerface.*, drawn, got 'voc'"),
        ("[[data.sets]]\nformat = 'drawn'\n", "data.sets.count must say how many pictures to draw"),
        ("[[data.sets]]\nformat = 'widerface'\n", "data.sets.annotation must be a path, got ''"),
        (LIST + "form = 'aflw'\n", "data.sets.form must be one of box, points, mtfl, got 'aflw'"),
        (DRAWN + "form = 'mtfl'\n", "data.sets.form is for format landmark_list, got format 'drawn'"),
        ("[[data.sets]]\ncount = 3\n", "data.sets lacks a setting: .*'format'"),
        ("data = 3\n", "data must be a table, got 3"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, message):
    with pytest.raises(ConfigError, match=r"config.toml'.*" + message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"patience": 0}, "patience must be a whole number of at least 1"),
        ({"warmup": -1}, "warmup must be a whole number of at least 0, got -1"),
        ({"learning_rate": -1}, "learning_rate must be a finite number of at least 0"),
        ({"momentum": 1}, "momentum must be a number of at least 0 and below 1"),
        ({"ratio": (1, 2, 3)}, r"ratio must be 4 finite numbers of at least 0, got 3: \[1, 2, 3\]"),
        ({"ratio": (0, 0, 0, 0)}, "ratio must have a number above 0"),
        ({"alpha": (1, -1, 1)}, r"alpha\[1\] must be a finite number of at least 0, got -1"),
        ({"milestones": (0.8, 0.5)}, "milestones must rise"),
        ({"milestones": (0.5, 1.0)}, r"milestones\[1\] must be a number above 0 and below 1, got 1.0"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, adam, got 'lion'"),
        ({"schedule": "linear"}, "schedule must be one of constant, step, cosine"),
        ({"mining": "hard"}, "mining must be one of online, none, offline"),
        ({"box_coding": "yolo"}, "box_coding must be one of corner, rcnn"),
        ({"amp": "int8"}, "amp must be one of off, float16, bfloat16"),
        ({"select": "first"}, "select must be one of best, last"),
        ({"augment": 1}, "augment must be true or false, got 1"),
        ({"augmentation": 1}, "augmentation must be AugmentOptions, got 1"),
        ({"device": ""}, "device must be cpu, cuda or cuda:N, got ''"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        TrainOptions(**settings)


@pytest.mark.parametrize("kind", [TrainOptions, SampleOptions, AugmentOptions], ids=lambda kind: kind.__name__)
def test_every_setting_refuses_what_its_declaration_does(kind):
    for name, declared in settings_of(kind).items():
        for value in bad_values(declared.check):
            with pytest.raises(ConfigError, match=rf"^{name}(\[\d\])? must be .*, got "):
                kind(**{name: value})
    assert list(settings_of(kind)) == [field.name for field in dataclasses.fields(kind)]


def test_an_unknown_change_is_refused():
    with pytest.raises(ConfigError, match="stride is not a setting of training: there are alpha"):
        TrainOptions().replace(stride=2)


def test_a_list_of_another_form(tmp_path):
    """MTFL's rows have as many columns as those with a box."""
    (tmp_path / "list.txt").write_text("a.jpg 20 40 30 22 38 20 20 30 42 40 1 2 2 3\n")
    (tmp_path / "a.jpg").touch()
    source = {"format": "landmark_list", "annotation": "list.txt", "images": "."}
    (record,) = DataSource(**source, form="mtfl").records(tmp_path, tmp_path, 0)
    assert record.landmarks.tolist() == [[[20, 20], [40, 20], [30, 30], [22, 42], [38, 40]]]
    with pytest.raises(DataError, match=r"list.txt"):
        DataSource(**source).records(tmp_path, tmp_path, 0)


def test_missing_images_are_named_or_left_out(tmp_path):
    (tmp_path / "list.txt").write_text("a/b.jpg\n1\n1 2 30 40 0 0 0 0 0 0\n")
    source = {"format": "widerface", "annotation": "list.txt", "images": "images"}
    with pytest.raises(DataError, match=r"b.jpg: no such image, which .*list.txt names"):
        DataSource(**source).records(tmp_path, tmp_path, 0)
    with pytest.raises(DataError, match="there are no images of this annotation"):
        DataSource(**source, allow_missing=True).records(tmp_path, tmp_path, 0)


@pytest.mark.parametrize("name", ["smoke", "soft-smoke"])
def test_a_device_is_that_of_every_network(name: str) -> None:
    config = load_config(ROOT / "configs" / f"{name}.toml").with_device("cuda:3")
    soft = config.soft
    found = [config.stage(each).train for each in "pro"] if soft is None else [soft.p, soft.r, soft.o]
    assert [each.device for each in found] == ["cuda:3"] * 3
