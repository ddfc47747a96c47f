"""Weights that come with the package, by their names."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtcnn_fast import Detector, WeightsError
from mtcnn_fast.config import WEIGHTS, is_named
from mtcnn_fast.weights import NETWORKS, load_first_networks, load_weights
from mtcnn_fast.weights.loader import OWN, SHIPPED, Weights, _freeze
from support.data import ROOT

#: What else each file of a training of ours says of itself.
PROVENANCE = {"calibration", "command", "data", "licence", "made_from", "name", "seed", "steps", "version"}


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A second name, whose weights are copies of the default ones."""
    copies = tmp_path / "package"
    for folder in (copies, copies / "other"):
        folder.mkdir()
        for network in NETWORKS:
            shutil.copy(SHIPPED / f"{network}.safetensors", folder)
    monkeypatch.setattr("mtcnn_fast.config.WEIGHTS", (WEIGHTS[0], "other"))
    monkeypatch.setattr("mtcnn_fast.weights.loader.SHIPPED", copies)
    monkeypatch.setattr("mtcnn_fast.weights.loader.OWN", {"other": "po"})
    return "other"


def test_the_default_has_a_name() -> None:
    assert load_weights(WEIGHTS[0]).source == load_weights(None).source == str(SHIPPED)


def test_a_name_is_a_folder_of_the_package(other: str) -> None:
    assert Path(load_weights(other).source).parts[-2:] == ("package", "other")
    assert load_first_networks(other, "pr").source == load_weights(other).source


def test_a_name_comes_before_a_folder_called_so(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(other).mkdir()
    assert load_weights(other).sha256 == load_weights(None).sha256
    for meant in (f"./{other}", Path(other), str(tmp_path / other)):
        with pytest.raises(WeightsError, match=r"p\.safetensors': the file is missing"):
            load_weights(meant)


def test_a_network_that_a_name_has_not_is_the_default_one(other: str) -> None:
    usual = load_weights(None)
    (Path(load_weights(other).source) / "r.safetensors").write_bytes(b"not of these weights")
    for weights in (load_weights(other), load_first_networks(other, "pr"), load_weights(load_weights(other).source)):
        assert weights.sha256["r.safetensors"] == usual.sha256["r.safetensors"]
    (Path(usual.source) / "p.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"p\.safetensors': the file is missing"):
        load_weights(None)


def test_nothing_takes_the_place_of_a_network_that_is_missing_or_damaged(other: str) -> None:
    """An installation that lost a file of a name's own would find the faces of the default weights."""
    file = Path(load_weights(other).source) / "o.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(WeightsError, match=r"other.o\.safetensors': the file is damaged"):
        load_weights(other)
    file.unlink()
    with pytest.raises(WeightsError, match=r"other.o\.safetensors': the file is missing"):
        load_weights(other)
    shutil.rmtree(file.parent)
    for load in (load_weights, lambda name: load_first_networks(name, "pr")):
        with pytest.raises(WeightsError, match=r"no weights at '.*other': expected a folder"):
            load(other)


def test_the_networks_of_each_name_are_on_record() -> None:
    assert tuple(OWN) == WEIGHTS[1:]
    for name, networks in OWN.items():
        files = sorted(path.name for path in (SHIPPED / name).iterdir())
        assert files == sorted(f"{network}.safetensors" for network in networks)


class Bytes:
    """A path in bytes, which no loader of ours takes."""

    def __fspath__(self) -> bytes:
        return WEIGHTS[1].encode()


@pytest.mark.parametrize(
    "given",
    [7, True, ["wider"], {}, b"wider", Bytes(), "", np.zeros(3), np.array("wider"), np.array(["wider", "zhang2016"])],
    ids=["number", "bool", "list", "dict", "bytes", "path of bytes", "empty", "zeros", "array", "names"],
)
def test_what_is_neither_a_name_nor_a_path_is_refused(given: object) -> None:
    """An array compares with a name by element; an empty path would be the current folder."""
    for load in (load_weights, lambda path: load_first_networks(path, "p"), lambda path: Detector(weights=path)):
        with pytest.raises(WeightsError, match=r"^weights must be one of zhang2016, wider, a path.* or None, got "):
            load(given)


def test_a_name_of_another_kind_of_text_is_kept_as_text() -> None:
    detector = Detector("numpy", weights=np.str_("wider"))
    assert type(detector.weights_name) is str
    assert repr(detector) == "<Detector('numpy', weights='wider'), on numpy>"


def test_a_name_that_there_is_not_is_answered_with_those_there_are() -> None:
    names = ", ".join(WEIGHTS)
    with pytest.raises(WeightsError, match=f"no weights at 'zhang': .*, or the name of weights .*: {names}$"):
        load_weights("zhang")


@pytest.mark.parametrize("given", [None, Path(WEIGHTS[0]), f"./{WEIGHTS[0]}", 7, WEIGHTS])
def test_nothing_else_is_a_name(given: object) -> None:
    assert not is_named(given)


@pytest.mark.parametrize("name", WEIGHTS)
def test_every_hash_is_on_record(name: str) -> None:
    record = "".join(path.read_text() for path in (ROOT / "THIRD_PARTY.md", *(ROOT / "docs").glob("model-card*.md")))
    assert [digest for digest in load_weights(name).sha256.values() if digest not in record] == []


@pytest.mark.parametrize("name", WEIGHTS)
def test_metadata_is_what_the_files_say(name: str) -> None:
    weights = load_weights(name)
    assert list(weights.metadata) == [f"{network}.safetensors" for network in NETWORKS]
    for network, facts in zip(NETWORKS, weights.metadata.values(), strict=True):
        assert facts["network"] == network
        assert facts["box_coding"] == weights.box_coding
    assert pickle.loads(pickle.dumps(weights)).metadata == weights.metadata


def test_weights_pickled_before_there_was_metadata_are_restored() -> None:
    weights = load_weights(None)
    before = _freeze(dict(weights.pnet), dict(weights.rnet), dict(weights.onet), "corner", dict(weights.sha256), "here")
    assert isinstance(before, Weights)
    assert before.metadata == {}


@pytest.mark.parametrize("name", WEIGHTS[1:])
def test_weights_of_our_own_say_where_they_come_from(name: str) -> None:
    usual = load_weights(None).metadata
    own = [facts for file, facts in load_weights(name).metadata.items() if facts != usual[file]]
    assert own
    for facts in own:
        assert facts.keys() >= PROVENANCE
        assert facts["name"] == name


@pytest.mark.parametrize("name", WEIGHTS[1:])
def test_networks_of_our_own_are_short(name: str) -> None:
    """Their values are float16's with 10 binary digits, so that a wheel holds them in half of the bytes."""
    weights = load_weights(name)
    for network in OWN[name]:
        for tensor in getattr(weights, f"{network}net").values():
            np.testing.assert_array_equal(tensor.astype(np.float16).astype(np.float32), tensor)
            np.testing.assert_array_equal(np.frexp(tensor)[0] * 1024 % 1, 0)
