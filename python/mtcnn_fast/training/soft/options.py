"""Settings of the soft-label recipe, each with its default and its check."""

from __future__ import annotations

import dataclasses
from typing import Any

from mtcnn_fast.checks import check_count, check_number, check_probabilities
from mtcnn_fast.errors import ConfigError
from mtcnn_fast.training.soft.warp_options import WarpOptions
from mtcnn_fast.training.train_options import choice, numbers, share, whole_number


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

    thresholds: tuple[float, ...] = (0.5, 0.15)
    min_face_sizes: tuple[float, ...] = (20.0, 20.0, 12.0)
    min_face: float = 9.0
    most_near: int = 120
    most_drawn: int = 60
    most_background: tuple[int, ...] = (250, 60)
    drawn_windows: tuple[int, ...] = (1, 4)
    scale_jitter: tuple[float, ...] = (0.8, 1.25)
    shift_jitter: float = 0.2
    min_drawn_overlap: float = 0.4

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "thresholds", check_probabilities("thresholds", self.thresholds, 2))
        if not isinstance(self.min_face_sizes, (list, tuple)) or not self.min_face_sizes:
            raise ConfigError(f"min_face_sizes must be one or more numbers, got {self.min_face_sizes!r}")
        sizes = tuple(check_number("min_face_sizes", size, low=1.0) for size in self.min_face_sizes)
        put(self, "min_face_sizes", sizes)
        for name in ("most_near", "most_drawn"):
            put(self, name, check_count(name, getattr(self, name)))
        for name in ("most_background", "drawn_windows"):
            put(self, name, _counts(name, getattr(self, name), 2))
        for name in ("min_face", "shift_jitter", "min_drawn_overlap"):
            put(self, name, check_number(name, getattr(self, name), low=0.0))
        put(self, "scale_jitter", tuple(check_number("scale_jitter", each, low=0.0) for each in self.scale_jitter))
        if len(self.scale_jitter) != 2 or not 0 < self.scale_jitter[0] <= self.scale_jitter[1]:
            raise ConfigError(f"scale_jitter must be two rising numbers above 0, got {self.scale_jitter!r}")


def _counts(name: str, values: Any, count: int) -> tuple[int, ...]:
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise ConfigError(f"{name} must be {count} whole numbers of at least 1, got {values!r}")
    return tuple(check_count(f"{name}[{i}]", value) for i, value in enumerate(values))


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

    label_of: str = "box"
    ramp: tuple[float, ...] = (0.4, 0.55)
    weights: tuple[float, ...] = (1.0, 3.0)
    point_weights: tuple[float, ...] = (1.0, 0.5)
    smooth: float = 0.5
    box_beta: float = 0.05
    point_beta: float = 0.02
    face_from: float = 0.2
    box_from: float = 0.35
    points_from: float = 0.4

    def __post_init__(self) -> None:
        choice("label_of", self.label_of, ("window", "box"))
        for name in ("ramp", "weights", "point_weights"):
            object.__setattr__(self, name, numbers(name, getattr(self, name), 2))
        if not self.ramp[0] < self.ramp[1] <= 1:
            raise ConfigError(f"ramp must be two rising numbers from 0 to 1, got {self.ramp!r}")
        for name in ("smooth", "box_beta", "point_beta", "face_from", "box_from", "points_from"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=0.0))


@dataclasses.dataclass(frozen=True, slots=True)
class BalanceOptions:
    """Settings of `mtcnn_fast.training.soft.balance.Balance`, validated on construction and immutable afterwards.

    Attributes
    ----------
    size, image, face : float
        Exponents: how far sizes of windows, images and faces with many windows are held back. 0 does not, 1 makes
        each size, image or face as frequent as the others.
    least_error : float
        Added to a window's last error, by which it is drawn: 0 draws by the error alone, a large number evenly.
    landmark_share : float
        Share of each minibatch that comes from landmark lists, if there are any.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    size: float = 0.6
    image: float = 0.3
    face: float = 0.0
    least_error: float = 0.1
    landmark_share: float = 0.15

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, check_number(field.name, getattr(self, field.name), low=0.0))
        if self.landmark_share >= 1:
            raise ConfigError(f"landmark_share must be at least 0 and below 1, got {self.landmark_share!r}")


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
    validate_every, log_every : int
        In steps; checkpoints are written with each validation.
    objective : ObjectiveOptions
    balance : BalanceOptions
    warp : WarpOptions

    Raises
    ------
    ConfigError
        If a value is of the wrong type or out of range; it names the setting, the value and what is accepted.
    """

    steps: int = 30_000
    batch_size: int = 192
    learning_rate: float = 0.002
    weight_decay: float = 1e-4
    warmup: int = 500
    schedule: str = "cosine"
    decay: float = 0.25
    average: float = 0.998
    dropout: float = 0.05
    clip: float = 5.0
    seed: int = 0
    amp: str = "bfloat16"
    validate_every: int = 1000
    log_every: int = 100
    objective: ObjectiveOptions = dataclasses.field(default_factory=ObjectiveOptions)
    balance: BalanceOptions = dataclasses.field(default_factory=BalanceOptions)
    warp: WarpOptions = dataclasses.field(default_factory=WarpOptions)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("steps", "batch_size", "validate_every", "log_every"):
            put(self, name, check_count(name, getattr(self, name)))
        for name in ("warmup", "seed"):
            put(self, name, whole_number(name, getattr(self, name)))
        for name in ("learning_rate", "weight_decay", "average", "dropout", "clip"):
            put(self, name, check_number(name, getattr(self, name), low=0.0))
        put(self, "decay", share("decay", self.decay))
        choice("schedule", self.schedule, ("cosine", "trapezoid"))
        choice("amp", self.amp, ("bfloat16", "off"))
        for name in ("average", "dropout"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name} must be at least 0 and below 1, got {getattr(self, name)!r}")
        for name, kind in (("objective", ObjectiveOptions), ("balance", BalanceOptions), ("warp", WarpOptions)):
            if not isinstance(getattr(self, name), kind):
                raise ConfigError(f"{name} must be {kind.__name__}, got {getattr(self, name)!r}")


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

    side: int = 96
    per_image: int = 12
    min_face: float = 9.0
    min_face_size: float = 20.0
    factor: float = 0.709
    scale_jitter: tuple[float, ...] = (0.75, 1.5)

    def __post_init__(self) -> None:
        for name in ("side", "per_image"):
            object.__setattr__(self, name, check_count(name, getattr(self, name)))
        if self.side % 2 or self.side < 24:
            raise ConfigError(f"side must be even and at least 24, got {self.side!r}")
        for name in ("min_face", "min_face_size"):
            object.__setattr__(self, name, check_number(name, getattr(self, name), low=1.0))
        if not 0 < check_number("factor", self.factor) < 1:
            raise ConfigError(f"factor must be between 0 and 1, got {self.factor!r}")
        jitter = numbers("scale_jitter", self.scale_jitter, 2)
        if not 0 < jitter[0] <= jitter[1]:
            raise ConfigError(f"scale_jitter must be two rising numbers above 0, got {self.scale_jitter!r}")
        object.__setattr__(self, "scale_jitter", jitter)


@dataclasses.dataclass(frozen=True, slots=True)
class PNetOptions:
    """Settings of `mtcnn_fast.training.soft.pnet.train_pnet`, validated on construction and immutable afterwards.

    Attributes
    ----------
    steps, batch_size : int
        Minibatches, and tiles in each.
    learning_rate, weight_decay, warmup, schedule, decay, average, clip, seed, amp, validate_every, log_every
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

    steps: int = 10_000
    batch_size: int = 32
    learning_rate: float = 0.004
    weight_decay: float = 1e-5
    warmup: int = 300
    schedule: str = "cosine"
    decay: float = 0.3
    average: float = 0.998
    clip: float = 5.0
    seed: int = 0
    amp: str = "bfloat16"
    validate_every: int = 1000
    log_every: int = 100
    ramp: tuple[float, ...] = (0.3, 0.65)
    focus: float = 2.0
    box_weight: float = 0.5
    box_from: float = 0.35
    box_beta: float = 0.05
    smooth: float = 0.5
    warp: WarpOptions = dataclasses.field(default_factory=WarpOptions)

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("steps", "batch_size", "validate_every", "log_every"):
            put(self, name, check_count(name, getattr(self, name)))
        for name in ("warmup", "seed"):
            put(self, name, whole_number(name, getattr(self, name)))
        reals = ("learning_rate", "weight_decay", "average", "clip", "focus")
        for name in (*reals, "box_weight", "box_from", "box_beta", "smooth"):
            put(self, name, check_number(name, getattr(self, name), low=0.0))
        put(self, "decay", share("decay", self.decay))
        choice("schedule", self.schedule, ("cosine", "trapezoid"))
        choice("amp", self.amp, ("bfloat16", "off"))
        if self.average >= 1:
            raise ConfigError(f"average must be at least 0 and below 1, got {self.average!r}")
        put(self, "ramp", numbers("ramp", self.ramp, 2))
        if not self.ramp[0] < self.ramp[1] <= 1:
            raise ConfigError(f"ramp must be two rising numbers from 0 to 1, got {self.ramp!r}")
        if not isinstance(self.warp, WarpOptions):
            raise ConfigError(f"warp must be WarpOptions, got {self.warp!r}")
