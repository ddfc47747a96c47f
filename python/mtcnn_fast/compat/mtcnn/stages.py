"""The stages of the cascade, by which `MTCNN` is told how far to go."""

from __future__ import annotations


class Stage:
    """A stage of the cascade: a name and a number. The detector runs it; it cannot be called by itself.

    Parameters
    ----------
    stage_name : str
    stage_id : int
    """

    def __init__(self, stage_name: str, stage_id: int) -> None:
        self.name = stage_name
        self.id = stage_id


class StagePNet(Stage):
    """Proposals in every scale of the image."""

    def __init__(self, stage_name: str = "Stage PNET", stage_id: int = 1) -> None:
        super().__init__(stage_name, stage_id)


class StageRNet(Stage):
    """Refinement of the proposals."""

    def __init__(self, stage_name: str = "Stage RNET", stage_id: int = 2) -> None:
        super().__init__(stage_name, stage_id)


class StageONet(Stage):
    """The faces, with landmarks."""

    def __init__(self, stage_name: str = "Stage ONET", stage_id: int = 3) -> None:
        super().__init__(stage_name, stage_id)
