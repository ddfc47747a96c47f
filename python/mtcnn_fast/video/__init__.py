"""Moving pictures: frames of files, cameras and streams; tracks of faces; files written anew."""

from mtcnn_fast.video.frames import VideoFrame
from mtcnn_fast.video.tracker import Tracker, Tracking

__all__ = ["Tracker", "Tracking", "VideoFrame"]
