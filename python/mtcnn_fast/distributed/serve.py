"""The service with replicas over a cluster: the deployment of Ray Serve under the name that stands beside the jobs."""

from __future__ import annotations

from mtcnn_fast.serving.ray import deployment

__all__ = ["deployment"]
