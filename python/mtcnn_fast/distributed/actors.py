"""`FaceDetector`: one detector for each actor or task of Ray Data, Spark or Dask."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mtcnn_fast.distributed.extras import arrow
from mtcnn_fast.distributed.settings import BatchSettings
from mtcnn_fast.distributed.tables import Row, part_table
from mtcnn_fast.errors import ConfigError, ImageError
from mtcnn_fast.images import load_image


class FaceDetector:
    """Adds faces to batches of a table; for ``ray.data.Dataset.map_batches`` and the like.

    The detector is made once, with the object. Engines decide how often they call it, and what a crash costs: for
    exactly one row an input use `mtcnn_fast.distributed.run`.

    Parameters
    ----------
    column : str
        Where images are: bytes of files, paths, or arrays of pixels.
    num_threads : int
        Threads of the detector; an actor with ``num_cpus=1`` has one.
    **settings
        Settings of `mtcnn_fast.Detector`, `device` and `weights` included.

    Raises
    ------
    ConfigError, WeightsError, BackendUnavailableError
        As `Detector` raises them.
    MissingExtraError
        If pyarrow is missing.

    Examples
    --------
    >>> import ray
    >>> faces = ray.data.read_binary_files("photos", include_paths=True).map_batches(
    ...     FaceDetector,
    ...     fn_constructor_kwargs={"min_face_size": 40},
    ...     compute=ray.data.ActorPoolStrategy(size=2),
    ...     num_cpus=1,
    ...     batch_size=32,
    ...     batch_format="pyarrow",
    ... )
    """

    def __init__(self, column: str = "bytes", *, num_threads: int = 1, **settings: Any) -> None:
        self._column = column
        self._settings = BatchSettings.of(settings)
        arrow()
        self.detector = self._settings.make_detector(num_threads)

    def __call__(self, batch: Any) -> Any:
        """Detect in each row of a batch.

        Parameters
        ----------
        batch : pyarrow.Table, pandas.DataFrame or mapping of str to array
            With the column of images.

        Returns
        -------
        table
            Of the batch's kind: its columns without that of the images, and ``width``, ``height``, ``boxes``,
            ``scores``, ``landmarks``, ``settings``, ``seconds`` and ``error``. An image that cannot be read has an
            error and nulls.

        Raises
        ------
        ConfigError
            If the batch is of another kind, or has no such column.
        """
        pa = arrow()
        if isinstance(batch, pa.Table):
            return self._arrow(batch)
        if isinstance(batch, Mapping):
            return self._mapping(batch)
        if hasattr(batch, "columns") and hasattr(batch, "drop"):
            return self._pandas(batch)
        raise ConfigError(
            f"batch must be a pyarrow.Table, a pandas.DataFrame or a mapping of columns, got {type(batch).__name__}"
        )

    def map_pandas(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield `self(batch)` for each batch, as Spark's ``mapInPandas`` asks for it."""
        for batch in batches:
            yield self(batch)

    def _arrow(self, batch: Any) -> Any:
        found = self._table(self._images(batch.column_names, lambda: batch.column(self._column).to_pylist()))
        kept = batch.drop_columns([self._column])
        for name in found.column_names:
            if name in kept.column_names:
                kept = kept.drop_columns([name])
            kept = kept.append_column(found.schema.field(name), found.column(name))
        return kept

    def _pandas(self, batch: Any) -> Any:
        found = self._table(self._images(list(batch.columns), lambda: list(batch[self._column])))
        kept = batch.drop(columns=[self._column]).reset_index(drop=True)
        return kept.assign(**{name: found.column(name).to_pylist() for name in found.column_names})

    def _mapping(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        import numpy as np

        found = self._table(self._images(list(batch), lambda: list(batch[self._column])))
        columns = {name: values for name, values in batch.items() if name != self._column}
        for name in found.column_names:
            values = np.empty(found.num_rows, object)
            values[:] = found.column(name).to_pylist()
            columns[name] = values
        return columns

    def _images(self, names: list[str], read: Any) -> list[Any]:
        if self._column not in names:
            raise ConfigError(f"column must be one of the batch's ({', '.join(names) or 'none'}), got {self._column!r}")
        images: list[Any] = read()
        return images

    def _table(self, images: list[Any]) -> Any:
        """Return the result's columns but ``path``."""
        rows = []
        pixels: list[Any] = []
        for image in images:
            try:
                pixels.append(load_image(image, max_pixels=self.detector.config.max_pixels))
            except ImageError as error:
                pixels.append(error)
        readable = [image for image in pixels if not isinstance(image, ImageError)]
        began = time.perf_counter()
        found = iter(self.detector.detect_batch(readable))
        rate = (time.perf_counter() - began) / max(1, sum(image.size for image in readable))
        for image in pixels:
            if isinstance(image, ImageError):
                rows.append(Row("", None, 0.0, str(image)))
            else:
                rows.append(Row("", next(found), rate * image.size))
        return part_table(rows, self._settings.hash).drop_columns(["path"])
