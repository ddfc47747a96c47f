"""Pairs of rows and columns with the largest sum."""

from __future__ import annotations

import numpy as np

from mtcnn_fast._types import Doubles, Indices


def best_pairs(gains: Doubles, least: float) -> tuple[Indices, Indices]:
    """Pair rows with columns, each at most once, so that the sum of the gains is the largest.

    Parameters
    ----------
    gains : (R, C) float64
        From 0 to 1.
    least : float
        A pair with a gain below this is not made.

    Returns
    -------
    rows, columns : (P,) int64
        In ascending order of the rows.

    Notes
    -----
    The Hungarian method with shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987), which takes R² C steps.
    """
    possible = np.where(gains >= least, gains, 0.0)
    rows, columns = np.flatnonzero(possible.any(axis=1)), np.flatnonzero(possible.any(axis=0))
    possible = possible[np.ix_(rows, columns)]
    flipped = len(rows) > len(columns)
    partners = _cheapest(1 - (possible.T if flipped else possible))
    own = np.arange(len(partners))
    chosen_rows, chosen_columns = (partners, own) if flipped else (own, partners)
    kept = possible[chosen_rows, chosen_columns] > 0
    found_rows, found_columns = rows[chosen_rows[kept]], columns[chosen_columns[kept]]
    order = np.argsort(found_rows)
    return found_rows[order].astype(np.int64), found_columns[order].astype(np.int64)


def _cheapest(costs: Doubles) -> Indices:
    """Return the column of each row for the least sum of costs; there are at least as many columns as rows."""
    count, width = costs.shape
    row_prices, column_prices = np.zeros(count), np.zeros(width + 1)
    # The last column stands for the row that is being placed.
    row_of = np.full(width + 1, -1)
    for row in range(count):
        row_of[width] = row
        column = width
        least, before = np.full(width, np.inf), np.full(width, width)
        visited = np.zeros(width + 1, bool)
        while row_of[column] != -1:
            visited[column] = True
            current = row_of[column]
            reduced = costs[current] - row_prices[current] - column_prices[:width]
            better = ~visited[:width] & (reduced < least)
            least[better], before[better] = reduced[better], column
            following = int(np.argmin(np.where(visited[:width], np.inf, least)))
            step = least[following]
            row_prices[row_of[visited]] += step
            column_prices[visited] -= step
            least[~visited[:width]] -= step
            column = following
        while column != width:
            row_of[column] = row_of[before[column]]
            column = int(before[column])
    result = np.empty(count, np.int64)
    placed = np.flatnonzero(row_of[:width] >= 0)
    result[row_of[placed]] = placed
    return result
