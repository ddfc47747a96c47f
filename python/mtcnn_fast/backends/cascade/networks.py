"""What the cascade needs of the three networks, wherever they run."""

from __future__ import annotations

from typing import Any, Protocol

from mtcnn_fast.backends.cascade.observer import Observer
from mtcnn_fast.backends.cascade.steps import Candidates, CropNetworkName, DeviceArray, Maps


class Networks(Protocol):
    """The three networks on one device, with what prepares their input."""

    def scan(self, batch: Any, observer: Observer) -> list[Maps]:
        """Run P-Net on all levels of a batch.

        Parameters
        ----------
        batch : Batch
        observer : Observer

        Returns
        -------
        list of ((slots, rows, columns) float32 array, (slots, 4, rows, columns) float32 array)
            Scores and offsets, as `DeviceOps.propose` takes them.
        """

    def classify(
        self, name: CropNetworkName, batch: Any, candidates: Candidates, observer: Observer
    ) -> tuple[Candidates, DeviceArray, DeviceArray | None]:
        """Cut the candidates out of their images and run R-Net or O-Net on the crops.

        Parameters
        ----------
        name : {"rnet", "onet"}
        batch : Batch
        candidates : Candidates
        observer : Observer

        Returns
        -------
        candidates : Candidates
            With the network's scores and offsets.
        valid : (n,) bool array
            Which of them have an area, a pixel inside the image and finite corners.
        points : (n, 10) float32 array or None
            O-Net's landmarks, in units of the box: five x, then five y.
        """
