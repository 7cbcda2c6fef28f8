"""Changes a file within its format: a value of a JSON document, an array of safetensors."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from tests.fuzz.odd_values import ODD_FLOATS, ODD_INTEGERS, ODD_TEXTS

Array = NDArray[Any]


def with_odd_value(content: bytes, random: Random) -> bytes:
    """Returns a JSON document with one value changed, left out, or put in.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deep.
    """
    document = json.loads(content)
    places = list(_places(document))
    if not places:
        return json.dumps(_odd_value(random)).encode()
    holder, key = random.choice(places)
    match random.randrange(8):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[random.choice(ODD_TEXTS)] = holder[key]
        case 1 | 2:
            holder[key] = [holder[key]]
        case 3 if isinstance(holder[key], int | float):
            holder[key] *= random.choice((-1, 0, 0.5, 1e3, 1e308))
        case _:
            holder[key] = _odd_value(random)
    return json.dumps(document).encode("utf-8", "surrogatepass")


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Returns every place in a document, as what holds it and its key there."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _odd_value(random: Random) -> Any:
    whole = random.choice(ODD_INTEGERS)
    return random.choice(
        (
            None,
            True,
            False,
            [],
            {},
            "",
            [[]],
            whole,
            random.choice(ODD_FLOATS),
            random.choice(ODD_TEXTS),
            10**400,
        )
    )


def with_odd_array(content: bytes, random: Random) -> bytes:
    """Returns a safetensors file with one array changed.

    Raises:
        safetensors.SafetensorError: It is none.
    """
    arrays = load(content)
    if arrays:
        name = random.choice(sorted(arrays))
        changed = random.choice(_CHANGES)(arrays.pop(name), random)
        if changed is not None:
            arrays[name] = np.ascontiguousarray(changed)
    return save(arrays)


def _odd_number(array: Array, random: Random) -> Array:
    array = array.copy()
    if array.size:
        odd = random.choice((*ODD_FLOATS, 1e6, -1e6, 999_999.0, 1e5, -1e5))
        with np.errstate(all="ignore"):
            array.flat[random.randrange(array.size)] = np.float64(odd).astype(array.dtype)
    return array


def _all_odd(array: Array, random: Random) -> Array:
    with np.errstate(all="ignore"):
        return np.full_like(
            array, np.float64(random.choice((1e6, -1e6, 1e-300, 0.0, *ODD_FLOATS))).astype(array.dtype)
        )


def _other_type(array: Array, random: Random) -> Array:
    with np.errstate(all="ignore"):
        return array.astype(random.choice(("f2", "f4", "f8", "i1", "i8", "u8", "?")))


def _longer(array: Array, random: Random) -> Array:
    return np.concatenate([array, array[:1]]) if array.ndim else array


_CHANGES: tuple[Callable[[Array, Random], Array | None], ...] = (
    _odd_number, _odd_number, _odd_number, _all_odd, _other_type, _longer,
    lambda array, _: array[:-1] if array.ndim else array,
    lambda array, _: array[:0] if array.ndim else array,
    lambda array, _: array[None],
    lambda array, _: array.reshape(-1)[::-1],
    lambda array, _: array * 2,
    lambda *_: None,
)  # fmt: skip
