"""Names that other face detectors use, and what takes their place here: for the messages of errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import NoReturn

_CROPS = "crops are cut from a result: faces.crops(image, size=160, margin=0)"
_ALL = "detect returns all faces; max_faces=1 keeps the best one, faces.largest() is the largest"
_DEVICE = 'the device is a string, such as device="cuda:0"'
_THRESHOLDS = "use thresholds, one for each of the three networks"
_BOXES = "faces.boxes has x1, y1, x2, y2 in pixels; faces.xywh has x, y, width, height"

#: Settings of other packages' constructors.
SETTINGS = {
    "keep_all": _ALL,
    "select_largest": _ALL,
    "selection_method": _ALL,
    "image_size": _CROPS,
    "margin": _CROPS,
    "post_process": _CROPS,
    "scale_factor": "use factor",
    "steps_threshold": _THRESHOLDS,
    "threshold": _THRESHOLDS,
    "confidence_threshold": _THRESHOLDS,
    "det_thresh": _THRESHOLDS,
    "minsize": "use min_face_size",
    "min_size": "use min_face_size",
    "max_size": "use max_face_size",
    "weights_file": "use weights",
    "model_path": "use weights",
    "gpu": _DEVICE,
    "gpu_id": _DEVICE,
    "ctx_id": _DEVICE,
    "cuda": _DEVICE,
    "stages": "use propose and refine to run parts of the cascade",
    "batch_size": "it is an argument of detect_batch and detect_iter",
    "color": "it is an argument of detect",
}

#: Attributes of a detector.
DETECTOR = {
    "detect_faces": "use detect",
    "find_faces": "use detect",
    "predict": "use detect",
    "forward": "use detect",
    "get": "use detect",
    "detect_image": "use detect",
    "detect_images": "use detect_batch",
    "batch_detect": "use detect_batch",
    "detectMultiScale": "use detect",
    "extract": _CROPS,
    "extract_faces": _CROPS,
    "align": "faces.align(image) aligns the faces of a result",
    "to": _DEVICE,
    "cuda": _DEVICE,
    "eval": "a detector is always ready to detect",
    "min_face_size": "settings are in detector.config",
    "thresholds": "settings are in detector.config",
}

#: Attributes of a result.
FACES = {
    "bbox": _BOXES,
    "bboxes": _BOXES,
    "box": "it is an attribute of one face, faces[0].box; faces.boxes has those of all",
    "xyxy": _BOXES,
    "probs": "use scores",
    "prob": "use scores",
    "confidence": "use scores",
    "confidences": "use scores",
    "score": "it is an attribute of one face, faces[0].score; faces.scores has those of all",
    "points": "use landmarks",
    "keypoints": "use landmarks",
    "kps": "use landmarks",
    "shape": "len(faces) is the number of faces; faces.boxes is an array",
    "items": "a result holds faces, not keys; faces.to_dict() makes a dictionary",
    "keys": "a result holds faces, not keys; faces.to_dict() makes a dictionary",
    "show": "faces.draw(image) returns a picture",
    "plot": "faces.draw(image) returns a picture",
    "to_df": "use to_pandas",
}

#: Attributes of one face.
FACE = {
    "bbox": "use box: x1, y1, x2, y2 in pixels",
    "boxes": "it is an attribute of all faces of an image; one face has box",
    "confidence": "use score",
    "prob": "use score",
    "det_score": "use score",
    "scores": "it is an attribute of all faces of an image; one face has score",
    "kps": "use landmarks",
    "keypoints": "use landmarks",
    "landmark": "use landmarks",
    "x": "use x1",
    "y": "use y1",
    "w": "use width",
    "h": "use height",
    "left": "use x1",
    "top": "use y1",
    "right": "use x2",
    "bottom": "use y2",
}


def hint(name: str, elsewhere: dict[str, str], names: Iterable[str]) -> str:
    """Return what to use in place of a name, as the end of a message; empty where nothing is known.

    Parameters
    ----------
    name : str
        The name that is not there.
    elsewhere : dict
        Names of other packages, and what takes their place.
    names : iterable of str
        The names that are there.
    """
    if name in elsewhere:
        return f"; {elsewhere[name]}"
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def missing_attribute(owner: object, name: str, elsewhere: dict[str, str]) -> NoReturn:
    """Raise AttributeError for an attribute that is not there, and say what to use."""
    kind = type(owner)
    # Names with an underscore are asked for by Python and its libraries, often: nobody reads their message.
    ending = "" if name.startswith("_") else hint(name, elsewhere, (n for n in dir(kind) if not n.startswith("_")))
    raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}{ending}")
