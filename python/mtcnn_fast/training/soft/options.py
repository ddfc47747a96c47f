"""Settings of the soft-label recipe, each with its default and its check."""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from mtcnn_fast.checks import Choice, Count, Instance, Maybe, Number, Tuple, check_settings, setting
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.soft.warp_options import WarpOptions, check_rising
from mtcnn_fast.training.train_options import SHARE

LabelOf = Literal["window", "box"]
SoftSchedule = Literal["cosine", "trapezoid"]
SoftAmp = Literal["bfloat16", "off"]
Teachers = Literal["none", "shipped"]


@dataclasses.dataclass(frozen=True, slots=True)
class MiningOptions:
    """Settings of `mtcnn_fast.training.soft.mining.mine`, validated on construction and immutable afterwards.

    Attributes
    ----------
    thresholds : tuple of 2 float
        Of P-Net and R-Net, lower than at detection, so that there is more to learn from.
    min_face_sizes : tuple of float
        Smallest faces of the pyramids; images take turns.
    min_face : float
        Shorter side in pixels of the smallest face to learn from; smaller ones are no background either.
    most_near, most_drawn : int
        Most proposed windows near faces, and most faces that windows are drawn around, an image.
    most_background : tuple of 2 int
        Most windows without a face an image, for R-Net (any) and O-Net (those with the highest scores).
    drawn_windows : tuple of 2 int
        Windows drawn around each face of images that are annotated completely, and of landmark lists.
    scale_jitter : tuple of 2 float
        Least and greatest side of a drawn window, in units of the face's longer side.
    shift_jitter : float
        Most by which its middle moves, in the same units.
    min_drawn_overlap : float
        Drawn windows of less overlap with the face are left out.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    thresholds: tuple[float, ...] = setting((0.5, 0.15), Tuple(Number(0, 1), 2))
    min_face_sizes: tuple[float, ...] = setting((20.0, 20.0, 12.0), Tuple(Number(1)))
    min_face: float = setting(9.0, Number(0))
    most_near: int = setting(120, Count())
    most_drawn: int = setting(60, Count())
    most_background: tuple[int, ...] = setting((250, 60), Tuple(Count(), 2))
    drawn_windows: tuple[int, ...] = setting((1, 4), Tuple(Count(), 2))
    scale_jitter: tuple[float, ...] = setting((0.8, 1.25), Tuple(Number(0.25, 4), 2))
    shift_jitter: float = setting(0.2, Number(0, 1))
    min_drawn_overlap: float = setting(0.4, Number(0, 1))

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.min_face_sizes:
            raise ConfigError("min_face_sizes must have a number, got ()")
        check_rising("scale_jitter", self.scale_jitter)


@dataclasses.dataclass(frozen=True, slots=True)
class TileOptions:
    """Settings of `mtcnn_fast.training.soft.tiles.cut_tiles`, validated on construction and immutable afterwards.

    Attributes
    ----------
    side : int
        Of a tile in pixels: even, at least 24.
    per_image : int
        Tiles of an image: half of them around faces, the others anywhere.
    min_face : float
        Longer side in pixels of the image of the smallest face to learn from.
    min_face_size, factor : float
        Of the pyramid, as of `mtcnn_fast.DetectorConfig`.
    scale_jitter : tuple of 2 float
        Least and greatest factor of a pyramid's scales.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    side: int = setting(96, Count(24))
    per_image: int = setting(12, Count())
    min_face: float = setting(9.0, Number(1))
    min_face_size: float = setting(20.0, Number(1))
    factor: float = setting(0.709, Number(0, 1, open_low=True, open_high=True))
    scale_jitter: tuple[float, ...] = setting((0.75, 1.5), Tuple(Number(0.25, 4), 2))

    def __post_init__(self) -> None:
        check_settings(self)
        if self.side % 2:
            raise ConfigError(f"side must be even, got {self.side!r}")
        check_rising("scale_jitter", self.scale_jitter)


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectiveOptions:
    """Settings of `mtcnn_fast.training.soft.objective.losses`, validated on construction and immutable afterwards.

    Attributes
    ----------
    label_of : {"window", "box"}
        Whether a score tells the overlap of the window, or that of the box that the network makes of it.
    ramp : tuple of 2 float
        Overlaps at which the label begins to rise from 0 and reaches 1.
    weights : tuple of 2 float
        Of the losses of boxes and landmarks, beside detection's 1.
    point_weights : tuple of 2 float
        Of landmarks made by hand and of pseudo labels.
    taught_weight : float
        Of landmarks that a teacher tells.
    smooth : float
        Weight of smooth L1 beside ``1 - IoU`` in the loss of boxes.
    box_beta, point_beta : float
        Where smooth L1 turns from square to linear, in units of the window.
    face_from, box_from, points_from : float
        Least overlaps: to show a face at all, to learn its box, to learn its landmarks.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    label_of: LabelOf = setting("box", Choice(get_args(LabelOf)))
    ramp: tuple[float, ...] = setting((0.4, 0.55), Tuple(Number(0, 1), 2))
    weights: tuple[float, ...] = setting((1.0, 3.0), Tuple(Number(0), 2))
    point_weights: tuple[float, ...] = setting((1.0, 0.5), Tuple(Number(0), 2))
    taught_weight: float = setting(1.0, Number(0))
    smooth: float = setting(0.5, Number(0))
    box_beta: float = setting(0.05, Number(0, open_low=True))
    point_beta: float = setting(0.02, Number(0, open_low=True))
    face_from: float = setting(0.2, Number(0, 1))
    box_from: float = setting(0.35, Number(0, 1))
    points_from: float = setting(0.4, Number(0, 1))

    def __post_init__(self) -> None:
        check_settings(self)
        check_rising("ramp", self.ramp, strictly=True)


@dataclasses.dataclass(frozen=True, slots=True)
class BalanceOptions:
    """Settings of `mtcnn_fast.training.soft.balance.Balance`, validated on construction and immutable afterwards.

    Attributes
    ----------
    size, image, face : float
        Exponents: how far sizes of windows, images and faces with many windows are held back. 0 does not, 1 makes
        each size, image or face as frequent as the others.
    large : float
        Exponent: how far windows that show a face of more than 24 pixels are preferred, by their sides. Small faces are
        many, and a threshold that suits them loses large ones.
    least_error : float
        Added to a window's last error, by which it is drawn: 0 draws by the error alone, a large number evenly.
    landmark_share : float
        Share of each minibatch that comes from landmark lists, if there are any.
    eyes : tuple of 2 float
        Distances of the eyes in widths of the window between which a window of a landmark list is drawn at all: those
        unlike the cascade's own windows can be left out.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    size: float = setting(0.6, Number(0))
    image: float = setting(0.3, Number(0))
    face: float = setting(0.0, Number(0))
    large: float = setting(0.0, Number(0))
    least_error: float = setting(0.1, Number(0))
    landmark_share: float = setting(0.15, Number(0, 1, open_high=True))
    eyes: tuple[float, ...] = setting((0.0, 10.0), Tuple(Number(0), 2))

    def __post_init__(self) -> None:
        check_settings(self)
        check_rising("eyes", self.eyes, strictly=True)


@dataclasses.dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Settings of `mtcnn_fast.training.soft.teacher.Teacher`, validated on construction and immutable afterwards.

    Attributes
    ----------
    weights : {"none", "shipped"}
        Whose R- or O-Net it is.
    smallest, overlap : float
        Least width in pixels, and least overlap with a face, of windows whose landmarks it tells. The width counts for
        boxes too.
    agree : float
        Greatest distance of a pseudo label, in distances of the eyes, at which the two are averaged.
    share : float
        Of the teacher in that mean.
    boxes : float
        Share of the teacher's boxes in those to learn, where it sees the annotated face: 1 keeps boxes, and with them
        what the next network is shown, as the teacher puts them.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    weights: Teachers = setting("none", Choice(get_args(Teachers)))
    smallest: float = setting(40.0, Number(0))
    overlap: float = setting(0.4, Number(0, 1))
    agree: float = setting(0.15, Number(0))
    share: float = setting(0.5, Number(0, 1))
    boxes: float = setting(0.0, Number(0, 1))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True, slots=True)
class SoftOptions:
    """Settings of `mtcnn_fast.training.soft.loop.train_windows`, validated on construction, immutable afterwards.

    Attributes
    ----------
    steps, batch_size : int
    learning_rate : float
        Of AdamW (Loshchilov and Hutter 2019), at its highest.
    weight_decay : float
        Of weights of layers; biases and slopes have none.
    warmup : int
        Steps over which the learning rate rises.
    schedule : {"cosine", "trapezoid"}
        ``trapezoid`` keeps the learning rate until the last share `decay` of `steps`, so that a run can be made longer
        or shorter until then; ``cosine`` falls all the way.
    decay : float
        See `schedule`.
    average : float
        Of the moving average of the weights, which is what is measured and kept: the share of the old in each step.
    dropout : float
        Share of the features before the heads that is left out.
    clip : float
        Largest norm of the gradient.
    seed : int
    amp : {"bfloat16", "off"}
        The type of convolutions and products.
    device : str
        ``cpu``, ``cuda`` or ``cuda:N``, where windows are changed and the network is trained.
    validate_every, log_every : int
        In steps; checkpoints are written with each validation.
    width : float
        How many times as wide as the initial network this one is: channels of the convolutions and outputs of the dense
        layer, rounded to multiples of 16. It begins with the outputs of the initial one (Net2Net, Chen et al. 2016).
    objective : ObjectiveOptions
    balance : BalanceOptions
    warp : WarpOptions
    teacher : TeacherOptions

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    steps: int = setting(30_000, Count())
    batch_size: int = setting(192, Count())
    learning_rate: float = setting(0.002, Number(0))
    weight_decay: float = setting(1e-4, Number(0))
    warmup: int = setting(500, Count(0))
    schedule: SoftSchedule = setting("cosine", Choice(get_args(SoftSchedule)))
    decay: float = setting(0.25, SHARE)
    average: float = setting(0.998, Number(0, 1, open_high=True))
    dropout: float = setting(0.05, Number(0, 1, open_high=True))
    clip: float = setting(5.0, Number(0, open_low=True))
    seed: int = setting(0, Count(0))
    amp: SoftAmp = setting("bfloat16", Choice(get_args(SoftAmp)))
    device: str = setting("cpu", Instance(str, "cpu, cuda or cuda:N"))
    validate_every: int = setting(1000, Count())
    log_every: int = setting(100, Count())
    width: float = setting(1.0, Number(1, 8))
    objective: ObjectiveOptions = setting(ObjectiveOptions, Instance(ObjectiveOptions))
    balance: BalanceOptions = setting(BalanceOptions, Instance(BalanceOptions))
    warp: WarpOptions = setting(WarpOptions, Instance(WarpOptions))
    teacher: TeacherOptions = setting(TeacherOptions, Instance(TeacherOptions))

    def __post_init__(self) -> None:
        check_settings(self)


@dataclasses.dataclass(frozen=True, slots=True)
class PNetOptions:
    """Settings of `mtcnn_fast.training.soft.pnet.train_pnet`, validated on construction and immutable afterwards.

    Attributes
    ----------
    steps, batch_size : int
        Minibatches, and tiles in each.
    learning_rate, weight_decay, warmup, schedule, decay, average, clip, seed, amp, device, validate_every, log_every
        See `SoftOptions`.
    ramp : tuple of 2 float
        Overlaps of a cell at which its label begins to rise from 0 and reaches 1.
    focus : float
        Exponent of the quality focal loss.
    box_weight, box_from, box_beta, smooth : float
        Of the loss of boxes, see `ObjectiveOptions`.
    warp : WarpOptions
        Of which flip, contrast, color and brightness apply.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    steps: int = setting(10_000, Count())
    batch_size: int = setting(32, Count())
    learning_rate: float = setting(0.004, Number(0))
    weight_decay: float = setting(1e-5, Number(0))
    warmup: int = setting(300, Count(0))
    schedule: SoftSchedule = setting("cosine", Choice(get_args(SoftSchedule)))
    decay: float = setting(0.3, SHARE)
    average: float = setting(0.998, Number(0, 1, open_high=True))
    clip: float = setting(5.0, Number(0, open_low=True))
    seed: int = setting(0, Count(0))
    amp: SoftAmp = setting("bfloat16", Choice(get_args(SoftAmp)))
    device: str = setting("cpu", Instance(str, "cpu, cuda or cuda:N"))
    validate_every: int = setting(1000, Count())
    log_every: int = setting(100, Count())
    ramp: tuple[float, ...] = setting((0.3, 0.65), Tuple(Number(0, 1), 2))
    focus: float = setting(2.0, Number(0))
    box_weight: float = setting(0.5, Number(0))
    box_from: float = setting(0.35, Number(0, 1))
    box_beta: float = setting(0.05, Number(0, open_low=True))
    smooth: float = setting(0.5, Number(0))
    warp: WarpOptions = setting(WarpOptions, Instance(WarpOptions))

    def __post_init__(self) -> None:
        check_settings(self)
        check_rising("ramp", self.ramp, strictly=True)


@dataclasses.dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What the default thresholds are to let through; None takes what they do with the shipped weights.

    Attributes
    ----------
    proposals, candidates : float or None
        Windows an image after P-Net, and after R-Net.
    false_positives : float or None
        Detections an image that overlap no annotated face by half.

    Raises
    ------
    ConfigError
        If a value is not a number of at least 0.
    """

    proposals: float | None = setting(None, Maybe(Number(0)))
    candidates: float | None = setting(None, Maybe(Number(0)))
    false_positives: float | None = setting(None, Maybe(Number(0)))

    def __post_init__(self) -> None:
        check_settings(self)
