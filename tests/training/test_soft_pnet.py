"""P-Net by the soft-label recipe: tiles, labels of cells, training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from mtcnn_fast.config import CELL  # noqa: E402
from mtcnn_fast.datasets import FaceRecord  # noqa: E402
from mtcnn_fast.datasets.drawn import draw_faces  # noqa: E402
from mtcnn_fast.errors import ConfigError, DataError  # noqa: E402
from mtcnn_fast.images import load_image  # noqa: E402
from mtcnn_fast.nets.modules import PNet  # noqa: E402
from mtcnn_fast.ops import resize_pyramid  # noqa: E402
from mtcnn_fast.training.soft.cells import STRIDE, label_cells  # noqa: E402
from mtcnn_fast.training.soft.forward import initialise  # noqa: E402
from mtcnn_fast.training.soft.options import PNetOptions, TileOptions  # noqa: E402
from mtcnn_fast.training.soft.pnet import tile_batch, train_pnet  # noqa: E402
from mtcnn_fast.training.soft.tiles import Tiles, cut_tiles, open_tiles  # noqa: E402

SIDE = 48


def faces(*boxes: tuple[float, float, float, float]) -> torch.Tensor:
    return torch.tensor([[*boxes]], dtype=torch.float32)


def test_a_cell_knows_its_overlap_and_its_targets_decode_to_the_face() -> None:
    scale = 0.5
    face = (21.0, 9.0, 31.0, 23.0)
    cells = label_cells(faces(face), torch.tensor([[True]]), torch.tensor([scale]), SIDE)
    row, column = 4, 10
    x, y = column * STRIDE, row * STRIDE
    shared = (min(x + CELL, face[2]) - max(x, face[0])) * (min(y + CELL, face[3]) - max(y, face[1]))
    area = (face[2] - face[0]) * (face[3] - face[1])
    assert cells.overlap[0, row, column].item() == pytest.approx(shared / (CELL**2 + area - shared), rel=1e-5)
    # The detector's decoding (docs/semantics.md, section 2), in pixels of the image.
    first = np.floor(np.array([x + 1, y + 1]) / scale)
    last = np.floor(np.array([x + CELL, y + CELL]) / scale)
    size = last - first
    offsets = cells.boxes[0, :, row, column].numpy()
    box = np.concatenate([first + offsets[:2] * size, last + offsets[2:] * size]) * scale
    # Rounding down takes from nothing to a pixel of the image; half a pixel is taken for granted.
    assert box == pytest.approx(face, abs=0.5 * scale + 1e-4)


def test_cells_on_faces_that_do_not_count_say_nothing() -> None:
    both = faces((10, 10, 22, 22), (30, 30, 42, 42))
    cells = label_cells(both, torch.tensor([[True, False]]), torch.ones(1), SIDE)
    assert cells.overlap[0, 5, 5] == 1
    assert cells.overlap[0, 15, 15] == -1
    assert cells.overlap[0, 0, 18] == 0
    # Nothing at all in a tile without faces.
    empty = label_cells(torch.full((1, 3, 4), torch.nan), torch.zeros(1, 3, dtype=torch.bool), torch.ones(1), SIDE)
    assert (empty.overlap == 0).all()


OPTIONS = TileOptions(side=SIDE, per_image=6)


def test_tiles_are_parts_of_pyramid_levels_with_their_faces(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 3, seed=5)
    cut_tiles(records, tmp_path / "tiles", OPTIONS)
    tiles = open_tiles(tmp_path / "tiles")
    assert len(tiles.scale) == 18
    for number, record in enumerate(records):
        pixels = load_image(record.path)
        for place in range(6 * number, 6 * number + 6):
            scale = float(tiles.scale[place])
            usable = tiles.usable[place] != 0
            wanted = record.boxes * scale
            sizes = (tiles.faces[place][usable][:, 2:] - tiles.faces[place][usable][:, :2]).round(2).tolist()
            assert all(size in (wanted[:, 2:] - wanted[:, :2]).round(2).tolist() for size in sizes)
            level = np.rint(resize_pyramid(pixels, [scale])[0] * 128 + 127.5).astype(np.uint8).transpose(1, 2, 0)
            tile = tiles.images[place][: level.shape[0], : level.shape[1]]
            found = np.lib.stride_tricks.sliding_window_view(level, tile.shape)
            # float32 scales give levels of the same size on pictures as small as these.
            assert (found == tile).all(axis=(3, 4, 5)).any()


def test_tiles_do_not_depend_on_processes_and_refuse_other_settings(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 20, seed=5)
    for workers in (1, 2):
        cut_tiles(records, tmp_path / str(workers), OPTIONS, workers=workers)
    one, two = open_tiles(tmp_path / "1"), open_tiles(tmp_path / "2")
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, two, strict=True))
    with pytest.raises(DataError, match="seed differ"):
        cut_tiles(records, tmp_path / "1", OPTIONS, seed=1)
    with pytest.raises(DataError, match="no tiles"):
        open_tiles(tmp_path / "drawn")


def test_images_that_are_not_annotated_completely_give_no_tiles(tmp_path: Path) -> None:
    records = draw_faces(tmp_path / "drawn", 2, seed=5)
    records[0] = dataclasses.replace(records[0], complete=False)
    cut_tiles(records, tmp_path / "tiles", OPTIONS)
    assert len(open_tiles(tmp_path / "tiles").scale) == 6


def test_an_image_smaller_than_a_tile_is_filled_up_with_what_says_nothing(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (30, 26), (90, 90, 90)).save(tmp_path / "small.png")
    options = dataclasses.replace(OPTIONS, min_face_size=12.0, scale_jitter=(1.0, 1.0))
    cut_tiles([FaceRecord(tmp_path / "small.png", np.empty((0, 4)))], tmp_path / "tiles", options)
    batch = tile_batch(open_tiles(tmp_path / "tiles"), np.array([0]), PNetOptions(), None, torch.float32)
    overlap = batch.cells.overlap[0]
    assert (overlap[:8, :10] == 0).any()
    assert (overlap[-1] == -1).all()
    assert (overlap[:, -1] == -1).all()


def test_mirrored_tiles_have_mirrored_labels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3)).astype(np.uint8)
    boxes = np.full((1, 24, 4), np.nan, np.float32)
    boxes[0, 0] = 8, 10, 20, 24
    tiles = Tiles(image, boxes, (np.arange(24) == 0).astype(np.int8)[None], np.ones(1, np.float32))
    warp = dataclasses.replace(PNetOptions().warp, flip=1.0, contrast=0.0, color=0.0, brightness=0.0)
    options = PNetOptions(warp=warp)
    plain = tile_batch(tiles, np.array([0]), options, None, torch.float32)
    mirrored = tile_batch(tiles, np.array([0]), options, np.random.default_rng(0), torch.float32)
    assert torch.equal(mirrored.images, plain.images.flip(3))
    torch.testing.assert_close(mirrored.cells.overlap, plain.cells.overlap.flip(2))


def test_pnet_learns_and_goes_on(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    records = draw_faces(tmp_path / "drawn", 12, seed=5)
    cut_tiles(records, tmp_path / "tiles", TileOptions(per_image=6))
    tiles = open_tiles(tmp_path / "tiles")
    options = PNetOptions(steps=60, batch_size=8, warmup=10, average=0.9, validate_every=30, schedule="trapezoid")

    net = PNet()
    initialise(net, 0)
    history = train_pnet(net, tiles, tiles, options, tmp_path / "run", shown=False).history
    assert history[-1]["ap"] > 5 * history[0]["ap"]
    assert history[-1]["box_iou"] > history[0]["box_iou"]
    again = PNet()
    assert train_pnet(again, tiles, tiles, options, tmp_path / "run", shown=False).steps == 60
    assert torch.equal(net.conv3.weight, again.conv3.weight)


@pytest.mark.parametrize("settings", [{"side": 47}, {"factor": 1.0}, {"scale_jitter": (1.0,)}, {"per_image": 0}])
def test_settings_of_tiles_are_checked(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        TileOptions(**settings)  # type: ignore[arg-type]
