"""How faces are drawn: `DrawStyle`, and the styles that have a name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from mtcnn_fast.checks import Choice, Count, Flag, Maybe, Number, check_settings, setting
from mtcnn_fast.checks.values import Tuple, refuse
from mtcnn_fast.errors import ConfigError

RgbColor = tuple[int, int, int]

BOX_COLOR: RgbColor = (0, 230, 150)
LANDMARK_COLOR: RgbColor = (255, 214, 64)
SHADE_COLOR: RgbColor = (8, 24, 18)
LIGHT_COLOR: RgbColor = (255, 255, 255)

#: Colors that people with any color vision can tell apart (Okabe and Ito 2008, "Color Universal Design"); black is
#: left out.
PALETTE: tuple[RgbColor, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)

Shape = Literal["box", "corners", "ellipse", "none"]
Tag = Literal["score", "index", "id", "none"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
TAGS: tuple[Tag, ...] = get_args(Tag)

_CHANNELS = Tuple(Count(0, 255), 3)


class ColorCheck:
    """A color: three numbers, or a text that Pillow reads."""

    accepted = "a color as (red, green, blue) from 0 to 255, '#rrggbb' or a name of CSS"
    plural = "colors as (red, green, blue) from 0 to 255, '#rrggbb' or a name of CSS"

    def __call__(self, name: str, value: object) -> RgbColor:
        """Return red, green and blue, or raise `ConfigError`."""
        if isinstance(value, str):
            from PIL import ImageColor

            try:
                red, green, blue = ImageColor.getrgb(value)[:3]
            except ValueError:
                refuse(name, self.accepted, value)
            return red, green, blue
        try:
            red, green, blue = _CHANNELS(name, value)
        except ConfigError:
            refuse(name, self.accepted, value)
        return red, green, blue


class ColorOrPalette(ColorCheck):
    """A color, or the word for a color a face."""

    accepted = f"'palette', or {ColorCheck.accepted}"
    plural = f"'palette', or {ColorCheck.plural}"

    def __call__(self, name: str, value: object) -> RgbColor | Literal["palette"]:  # type: ignore[override]
        """Return the color or ``"palette"``, or raise `ConfigError`."""
        return "palette" if isinstance(value, str) and value == "palette" else super().__call__(name, value)


RGB = ColorCheck()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawStyle:
    """What is drawn of each face, and how.

    Attributes
    ----------
    shape : {"box", "corners", "ellipse", "none"}
        Outline of each face: its box, the corners of its box, or the ellipse in it.
    color : (red, green, blue), str or "palette"
        Of outlines and tags: numbers from 0 to 255, ``"#rrggbb"``, a name of CSS such as ``"orange"``, or
        ``"palette"``: one of `PALETTE` for each id, and without ids for each index.
    tag : {"score", "index", "id", "none"}
        What is written beside each face: its score, its place in `Faces` from 0, or its id.
    landmarks : bool
        Whether the five points are drawn.
    landmark_color : (red, green, blue) or str
        Of the points.
    dim : float
        How far everything but the faces is darkened: 0 not at all, 1 to black.
    line_width : int or None
        Width of lines in pixels; by default it follows the sizes of image and face.
    font_size : int or None
        Height of text in pixels; by default it follows the sizes of image and face.

    Raises
    ------
    ConfigError
        If a value is not accepted; the message names it.
    """

    shape: Shape = setting("box", Choice(SHAPES))
    color: RgbColor | str = setting(BOX_COLOR, ColorOrPalette())
    tag: Tag = setting("score", Choice(TAGS))
    landmarks: bool = setting(True, Flag())
    landmark_color: RgbColor | str = setting(LANDMARK_COLOR, RGB)
    dim: float = setting(0.0, Number(0, 1))
    line_width: int | None = setting(None, Maybe(Count()))
    font_size: int | None = setting(None, Maybe(Count()))

    def __post_init__(self) -> None:
        check_settings(self)


#: Styles by name.
STYLES: Mapping[str, DrawStyle] = MappingProxyType(
    {
        "default": DrawStyle(),
        "corners": DrawStyle(shape="corners"),
        "ellipse": DrawStyle(shape="ellipse"),
        "palette": DrawStyle(color="palette", tag="index"),
        "spotlight": DrawStyle(shape="ellipse", dim=0.6, tag="none", landmarks=False, color=LIGHT_COLOR),
    }
)

_STYLE_NAME = Choice(tuple(STYLES))


def chosen_style(style: DrawStyle | str) -> DrawStyle:
    """Return a style, or the one of that name.

    Raises
    ------
    ConfigError
        If there is none of this name.
    """
    return style if isinstance(style, DrawStyle) else STYLES[_STYLE_NAME("style", style)]
