"""The teacher: O-Net of the shipped weights, whose landmarks a network learns where there are none made by hand."""

from __future__ import annotations

import torch

from mtcnn_fast.training.soft.augmentation import WindowBatch
from mtcnn_fast.training.soft.forward import features, heads
from mtcnn_fast.training.soft.options import ObjectiveOptions
from mtcnn_fast.training.stage_networks import StageNetwork
from mtcnn_fast.weights import load_weights


class Teacher:
    """Tells landmarks of windows as they are after augmentation (distillation, Hinton et al. 2015).

    Parameters
    ----------
    options : ObjectiveOptions
    """

    def __init__(self, options: ObjectiveOptions) -> None:
        network = StageNetwork("o", landmarks=False)
        network.load(load_weights(None))
        self._net = network.net.eval()
        self._options = options

    def taught(self, batch: WindowBatch) -> WindowBatch:
        """Return the batch with the teacher's landmarks in place of pseudo labels.

        Windows have them that show a face, are large enough (`taught_from`), and that the teacher itself takes for a
        face; hand-made landmarks stay.
        """
        with torch.inference_mode():
            found = heads(self._net, features(self._net, batch.images))
        assert found.landmarks is not None
        options = self._options
        taught = (batch.overlap > options.points_from) & (batch.widths[:, 0] >= options.taught_from)
        taught &= found.logits[:, 1] > found.logits[:, 0]
        landmarks = torch.where(taught[:, None], found.landmarks, batch.landmarks)
        return batch._replace(landmarks=landmarks.clone(), taught=taught.clone())
