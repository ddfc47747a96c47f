"""The interface of facenet-pytorch 2.6.0 on this package's detector. Importing this imports torch.

The modules below have the names of that package's own, so that ``facenet_pytorch.models.mtcnn`` is found too once
`mtcnn_fast.compat.install` was called.
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    # The real package fails with this class too: programs that look for it go on.
    raise ModuleNotFoundError(
        "the stand-in for facenet-pytorch needs torch: pip install 'mtcnn-fast[torch]'", name="torch"
    ) from error

from mtcnn_fast.compat.facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1
from mtcnn_fast.compat.facenet_pytorch.models.mtcnn import (
    MTCNN,
    ONet,
    PNet,
    RNet,
    fixed_image_standardization,
    prewhiten,
)
from mtcnn_fast.compat.facenet_pytorch.models.utils import training
from mtcnn_fast.compat.facenet_pytorch.models.utils.detect_face import extract_face

__all__ = [
    "MTCNN",
    "InceptionResnetV1",
    "ONet",
    "PNet",
    "RNet",
    "extract_face",
    "fixed_image_standardization",
    "prewhiten",
    "training",
]
