"""The outlines of the shapes, as distances to them."""

from functools import cache

import numpy as np

_GRID_REACH = 1.5  # the distance tables cover -1.5..1.5 radii
_GRID_SIZE = 129


def distance(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, in radii, negative inside; bilinear look-up in a table made once per shape."""
    table = _distance_table(shape)
    step = (_GRID_SIZE - 1) / (2 * _GRID_REACH)
    u = np.clip((u + _GRID_REACH) * step, 0, _GRID_SIZE - 1.001)
    v = np.clip((v + _GRID_REACH) * step, 0, _GRID_SIZE - 1.001)
    column, row = u.astype(np.int32), v.astype(np.int32)
    u, v = u - column, v - row
    corner = row * _GRID_SIZE + column
    upper = table[corner] * (1 - u) + table[corner + 1] * u
    lower = table[corner + _GRID_SIZE] * (1 - u) + table[corner + _GRID_SIZE + 1] * u
    found: np.ndarray = upper * (1 - v) + lower * v
    return found


@cache
def _distance_table(shape: str) -> np.ndarray:
    """Signed distances on a square grid, flattened ``[_GRID_SIZE ** 2]`` float32."""
    axis = np.linspace(-_GRID_REACH, _GRID_REACH, _GRID_SIZE)
    points = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    if shape == "ring":
        ring: np.ndarray = (np.abs(np.hypot(*points.T) - 0.76) - 0.28).astype(np.float32)
        return ring
    vertices = _outline(shape)
    following = np.roll(vertices, -1, axis=0)
    nearest = np.full(len(points), np.inf)
    inside = np.zeros(len(points), bool)
    for start, end in zip(vertices, following, strict=True):
        edge, offset = end - start, points - start
        along = np.clip(offset @ edge / (edge @ edge), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(offset - along[:, None] * edge).T))
        # Even-odd rule: count the edges that cross the half line from the point to the right.
        spans = (start[1] > points[:, 1]) != (end[1] > points[:, 1])
        rise = edge[1] if edge[1] else 1.0
        inside ^= spans & (offset[:, 0] < edge[0] * offset[:, 1] / rise)
    return np.where(inside, -nearest, nearest).astype(np.float32)


def _outline(shape: str) -> np.ndarray:
    """Corners ``[n, 2]`` (x right, y down) of a shape, in radii; all shapes have about the same area."""
    if shape == "circle":
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        return np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if shape == "square":
        return 0.88 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    if shape == "triangle":
        return np.array([(0, -1.15), (1.15, 0.85), (-1.15, 0.85)])
    if shape == "star":
        turn = np.arange(10) * np.pi / 5
        reach = np.where(np.arange(10) % 2 == 0, 1.30, 0.54)
        return np.stack([reach * np.sin(turn), -reach * np.cos(turn)], axis=1)
    if shape == "cross":
        a, b = 1.12, 0.36
        corners = [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b)]
        return np.array([*corners, (-b, -b)])
    if shape == "heart":
        turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        across = 16 * np.sin(turn) ** 3
        upwards = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        return np.stack([across, -upwards - 2.5], axis=1) / 13.5
    if shape == "diamond":
        return np.array([(0, -1.28), (0.78, 0), (0, 1.28), (-0.78, 0)])
    raise ValueError(f"unknown shape {shape!r}")
