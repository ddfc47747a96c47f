"""The structures that carry several values by name, and the sizes that the module exports."""

import numpy as np

from support.native_names import compares


def fields(struct, names):
    return tuple(getattr(struct, name) for name in names)


def test_structures_keep_what_they_were_given(device):
    module = device.module
    image = module.Image(address=64, row_stride=30, pixel_stride=3, channel_stride=1, height=7, width=9)
    names = ("address", "row_stride", "pixel_stride", "channel_stride", "height", "width")
    assert fields(image, names) == (64, 30, 3, 1, 7, 9)
    assert fields(module.LevelShape(image=2, height=3, width=4), ("image", "height", "width")) == (2, 3, 4)
    level = module.ProposalLevel(map=1, slot=2, rows=3, columns=4, image=5, segment=6, scale=0.5)
    names = ("map", "rows", "columns", "image", "segment", "scale")
    assert fields(level, names) == (1, 3, 4, 5, 6, 0.5)
    level = module.PNetLevel(image=1, height=20, width=30, segment=4, scale=0.5)
    assert fields(level, ("image", "height", "width", "segment", "scale")) == (1, 20, 30, 4, 0.5)
    pair = module.ProposalMap(scores="scores", offsets="offsets")
    assert fields(pair, ("scores", "offsets")) == ("scores", "offsets")
    names = ("boxes", "scores", "offsets", "landmarks", "images")
    assert fields(module.Candidates(*names), names) == names
    assert fields(module.Candidates("boxes"), names) == ("boxes", None, None, None, None)


@compares("_cuda.IMAGE_BYTES", "_cuda.ALIGNMENT", "_cuda.image_table")
def test_exported_sizes_are_those_of_the_tables(device):
    module = device.module
    image = module.Image(64, 30, 3, 1, 7, 9)
    assert len(module.image_table([image] * 3)) == 3 * module.IMAGE_BYTES
    assert module.batched_nms_workspace_size(1000, 3) % module.ALIGNMENT == 0


def test_a_proposal_table_counts_the_chunks_of_its_levels(device):
    module = device.module
    table = module.ProposalTable(levels=[module.ProposalLevel(0, 0, 64, 64, 0, 0, 0.5)] * 2)
    assert table.chunks == 2 * 64 * 64 // 1024
    assert np.frombuffer(table.table, np.int32).reshape(2, -1)[:, 6].tolist() == [0, 4]
