"""Derive the Winograd (Toom-Cook) matrices that `src/cpp/engine/winograd.h` holds, in exact arithmetic.

F(m, 3) computes m outputs of a 3-tap correlation from m + 2 inputs with m + 2 multiplications:
``y = A^T [(G g) * (B^T d)]`` (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016). The matrices
follow from m + 1 finite interpolation points and the point at infinity. Run it to print them and to check each against
the definition.
"""

from __future__ import annotations

from fractions import Fraction

POINTS = {3: [0, 1, -1, 2], 4: [0, 1, -1, 2, -2]}


def polynomial(roots: list[Fraction]) -> list[Fraction]:
    """Return the coefficients, lowest degree first, of the monic polynomial with these roots."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [a - root * b for a, b in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


def matrices(m: int) -> tuple[list[list[Fraction]], list[list[Fraction]], list[list[Fraction]]]:
    """Return (A^T, B^T, G) of F(m, 3), with the scaling of each point moved into G."""
    points = [Fraction(p) for p in POINTS[m]]
    n = m + 2
    at = [[p**i for p in points] + [Fraction(int(i == m - 1))] for i in range(m)]
    bt, g = [], []
    for k, p in enumerate(points):
        others = [q for j, q in enumerate(points) if j != k]
        scale = Fraction(1)
        for q in others:
            scale *= p - q
        bt.append([*polynomial(others), Fraction(0)])
        g.append([p**j / scale for j in range(3)])
    bt.append(polynomial(points))
    g.append([Fraction(0), Fraction(0), Fraction(1)])
    assert all(len(row) == n for row in bt)
    return at, bt, g


def check(m: int) -> None:
    """Assert the identity on unit vectors, which spans the bilinear map."""
    at, bt, g = matrices(m)
    n = m + 2
    for d in range(n):
        for t in range(3):
            products = [g[k][t] * bt[k][d] for k in range(n)]
            outputs = [sum((at[i][k] * products[k] for k in range(n)), Fraction(0)) for i in range(m)]
            assert outputs == [Fraction(int(d == i + t)) for i in range(m)], (m, d, t, outputs)


def main() -> None:
    """Print and check every set of matrices."""
    for m in POINTS:
        check(m)
        for name, matrix in zip(("A^T", "B^T", "G"), matrices(m), strict=True):
            print(f"F({m},3) {name}:")
            for row in matrix:
                print("   {" + ", ".join(str(x) for x in row) + "},")


if __name__ == "__main__":
    main()
