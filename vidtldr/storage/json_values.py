"""Values as JSON has them."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """A value as JSON can hold it, inner values too.

    Args:
        value: Mappings become dicts with texts as keys; tensors, arrays, tuples lists; their numbers, and NumPy's,
            Python's; paths texts; numbers that are not finite None. Whatever else is no JSON stays as it is, for
            ``json.dumps`` to refuse.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
