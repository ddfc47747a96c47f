"""The same application as a deployment of Ray Serve."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from mtcnn_fast.optional import require
from mtcnn_fast.serving.app import require_extra
from mtcnn_fast.serving.options import ServiceOptions

HOW_TO_GET = "pip install 'mtcnn-fast[ray]'"


def deployment(
    settings: Mapping[str, Any] | None = None,
    options: ServiceOptions | None = None,
    *,
    replicas: int = 1,
    **deployment_options: Any,
) -> Any:
    """Make an application of Ray Serve, for ``ray.serve.run``.

    Parameters
    ----------
    settings : mapping, optional
        Keyword arguments of `mtcnn_fast.Detector`, as for `create_app`.
    options : ServiceOptions, optional
        Limits of each replica. Its slots are the processors that Ray sets apart for a replica; by default 1.
    replicas : int
        Replicas, over the nodes of the cluster.
    **deployment_options
        Further options of ``ray.serve.deployment``; they replace those chosen here.

    Returns
    -------
    ray.serve.Application

    Raises
    ------
    MissingExtraError
        If ray or a package of the extra ``serve`` is missing.
    ConfigError, BackendUnavailableError, WeightsError
        In the replica, as `mtcnn_fast.Detector` raises them.

    Notes
    -----
    Ray's proxy queues requests of its own: it holds at most as many for a replica as this has places, and answers 503
    beyond (``max_queued_requests``). It reads whole bodies before it passes them on, so `max_body` is checked in the
    replica; bound bodies before the proxy too. Draining is Ray's.

    Examples
    --------
    >>> from ray import serve  # doctest: +SKIP
    >>> serve.run(deployment({"min_face_size": 40}, replicas=4))  # doctest: +SKIP
    """
    serve = require("ray.serve", "the deployment", HOW_TO_GET)
    require_extra()
    given = options or ServiceOptions()
    chosen = dataclasses.replace(given, slots=given.slots or 1)
    kept = dict(settings or {})

    def build() -> Any:
        from mtcnn_fast.serving.app import create_app

        return create_app(kept, chosen)

    return serve.deployment(
        serve.ingress(build)(),
        **{
            "name": "mtcnn-fast",
            "num_replicas": replicas,
            "max_ongoing_requests": (chosen.slots or 1) + chosen.queue,
            "max_queued_requests": (chosen.slots or 1) + chosen.queue,
            "ray_actor_options": {"num_cpus": chosen.slots},
            **deployment_options,
        },
    ).bind()
