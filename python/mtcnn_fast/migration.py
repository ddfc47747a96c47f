"""Names that other face detectors use, and what takes their place here: for the messages of errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from mtcnn_fast.errors import MisuseError

_CROPS = "crops are cut from a result: faces.crops(image, size=160, margin=0)"
_ALL = "detect returns all faces; max_faces=1 keeps the best one, faces.largest() is the largest"
_DEVICE = 'the device is a string, such as device="cuda:0"'
_THRESHOLDS = "use thresholds, one for each of the three networks"
_NMS = "use nms_thresholds, one for each of the four suppressions"
_SIZES = "images keep their size; detect(image, max_side=640) shrinks larger ones"
_ONE_CALL = "it is an argument of detect, detect_batch and detect_iter"
_EMBEDDING = "there is none here: give faces.align(image) to a recognition model of yours"
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
    "conf": _THRESHOLDS,
    "conf_thres": _THRESHOLDS,
    "conf_threshold": _THRESHOLDS,
    "score_threshold": _THRESHOLDS,
    "min_confidence": _THRESHOLDS,
    "min_detection_confidence": _THRESHOLDS,
    "det_thresh": _THRESHOLDS,
    "threshold_pnet": _THRESHOLDS,
    "threshold_rnet": _THRESHOLDS,
    "threshold_onet": _THRESHOLDS,
    "nms": _NMS,
    "nms_threshold": _NMS,
    "nms_thresh": _NMS,
    "nms_pnet1": _NMS,
    "nms_pnet2": _NMS,
    "nms_rnet": _NMS,
    "nms_onet": _NMS,
    "iou": _NMS,
    "top_k": "use max_faces",
    "max_num": "use max_faces",
    "scaleFactor": "use factor: ours is below 1, 0.709 for their 1.41",
    "minNeighbors": _THRESHOLDS,
    "det_size": _SIZES,
    "imgsz": _SIZES,
    "input_size": _SIZES,
    "target_size": _SIZES,
    "minsize": "use min_face_size",
    "min_size": "use min_face_size",
    "minSize": "use min_face_size",
    "max_size": "use max_face_size for faces; detect(image, max_side=640) shrinks larger images",
    "maxSize": "use max_face_size",
    "weights_file": "use weights",
    "model_path": "use weights",
    "model": "use weights",
    "pretrained": "use weights for networks of your own",
    "gpu": _DEVICE,
    "gpu_id": _DEVICE,
    "ctx_id": _DEVICE,
    "cuda": _DEVICE,
    "use_gpu": _DEVICE,
    "providers": _DEVICE,
    "half": 'use precision, such as precision="float16"',
    "fp16": 'use precision, such as precision="float16"',
    "workers": "use num_threads",
    "n_jobs": "use num_threads",
    "stages": "use propose and refine to run parts of the cascade",
    "batch_size": "it is an argument of detect_batch and detect_iter",
    "color": _ONE_CALL,
    "value_range": _ONE_CALL,
    "layout": _ONE_CALL,
    "exif": _ONE_CALL,
    "roi": _ONE_CALL,
    "max_side": _ONE_CALL,
    "rotations": _ONE_CALL,
    "tiles": _ONE_CALL,
    "tile_overlap": _ONE_CALL,
    "keep_image": _ONE_CALL,
    "profile": _ONE_CALL,
    "trace": "it is an argument of detect",
}

#: Arguments of other packages' methods that detect.
ARGUMENTS = {
    **{name: advice for name, advice in SETTINGS.items() if not advice.startswith("it is an argument")},
    "batch_size": "it is an argument of detect_batch and detect_iter",
    "progress": "it is an argument of detect_batch",
    "on_error": "it is an argument of detect_batch and detect_iter",
    "trace": "it is an argument of detect",
    "landmarks": "landmarks are always found: faces.landmarks, beside faces.boxes and faces.scores",
    "return_prob": "faces.scores has the probabilities",
    "save_path": "Image.fromarray(faces.crops(image)[0]).save(path) writes a face",
    "box_format": _BOXES,
    "fit_to_image": "faces.clip() cuts boxes to the image",
    "output_type": "faces.to_dict() and faces.to_json() make other forms",
    "bgr": 'use color="bgr"',
    "device": "it is a setting of Detector",
    "thresholds": "settings belong to the detector: Detector(thresholds=...)",
    "min_face_size": "settings belong to the detector: Detector(min_face_size=...)",
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
    "process": "use detect",
    "detect_landmarks": "use detect: faces.landmarks",
    "prepare": "a detector is always ready to detect; warmup() does early what the first detection would",
    "setInputSize": "images may have any size",
    "select_boxes": _ALL,
    "extract_face": _CROPS,
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
    "angle": "use roll: degrees",
    "rotation": "use roll: degrees",
    "embedding": _EMBEDDING,
    "normed_embedding": _EMBEDDING,
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
    # Needed for errors only.
    import difflib

    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def refuse_arguments(where: str, unknown: Iterable[str], elsewhere: dict[str, str], names: Iterable[str]) -> NoReturn:
    """Raise MisuseError for the first of arguments that do not exist, and say what to use.

    Parameters
    ----------
    where : str
        What has no such argument, as the beginning of a sentence: ``"Detector has no setting"``, say.
    unknown : iterable of str
        The names that were given.
    elsewhere, names
        As for `hint`.
    """
    name = next(iter(unknown))
    known = list(names)
    ending = hint(name, elsewhere, known) or f"; there are {', '.join(known)}"
    raise MisuseError(f"{where} {name!r}{ending}")


def missing_attribute(owner: object, name: str, elsewhere: dict[str, str]) -> NoReturn:
    """Raise AttributeError for an attribute that is not there, and say what to use."""
    kind = type(owner)
    # Names with an underscore are asked for by Python and its libraries, often: nobody reads their message.
    ending = "" if name.startswith("_") else hint(name, elsewhere, (n for n in dir(kind) if not n.startswith("_")))
    raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}{ending}")
