"""Values as JSON between judge and worker, so that nothing a student's code returns is ever unpickled.

The worker (a script that knows numpy and nothing of medtutor) and the judge use this one file. What comes
from the worker was written by a stranger: `decode` makes plain numbers, arrays, lists and words of it, or
raises ValueError.
"""

import base64
import inspect
import json
import math
import re
import struct
import types

import numpy as np

LARGEST = 2 * 2**20  # bytes of one message
DEEPEST = 20  # lists in lists
LONGEST = 10_000  # characters of a text
DTYPE = re.compile(r"[<>|=]?(?:b1|[iu][1248]|f2|f4|f8|c8|c16|[US]\d{1,4})")


class Option(np.ndarray):
    """An array that can be told from None with !=, as some exercises give it for an option."""

    def __ne__(self, other):
        return other is not self


# Messages


def write(stream, message):
    """Write a message, anything that JSON can hold, to a binary stream."""
    text = json.dumps(message).encode()
    stream.write(struct.pack(">Q", len(text)) + text)
    stream.flush()


def read(stream):
    """The next message of a binary stream, None at its end; ValueError for one that is none."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    (size,) = struct.unpack(">Q", head)
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes; at most {LARGEST} are read")
    text = stream.read(size)
    if len(text) < size:
        return None
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists in lists without end") from None


# Values


def encode(value, depth=0):
    """A value as lists and words; what is neither number, array, list nor word only by the kind of thing."""
    if depth > DEEPEST:
        raise RecursionError("lists in lists without end")
    kind = type(value)
    if value is None:
        return ["none"]
    if kind is bool:
        return ["bool", value]
    if issubclass(kind, int) and not issubclass(kind, np.generic):
        return ["int", hex(int(value))]
    if kind is float:
        return ["float", value.hex()]
    if kind is complex:
        return ["complex", value.real.hex(), value.imag.hex()]
    if issubclass(kind, str) and not issubclass(kind, np.generic):
        return ["str", str.__str__(value)[:LONGEST]]
    if issubclass(kind, (np.ndarray, np.generic)):
        return _encode_array(value)
    if issubclass(kind, (list, tuple)):
        name = "list" if issubclass(kind, list) else "tuple"
        return [name, [encode(part, depth + 1) for part in value]]
    if kind is dict:
        pairs = [[encode(key, depth + 1), encode(part, depth + 1)] for key, part in value.items()]
        return ["dict", pairs]
    return ["thing", _kind_of_thing(value), kind.__name__[:100]]


def _encode_array(value):
    kind = type(value)
    single = issubclass(kind, np.generic)
    array = np.array(value, subok=False)
    if not DTYPE.fullmatch(array.dtype.str):
        return ["objects", list(array.shape), str(array.dtype)[:100]]
    name = "number" if single else "option" if kind.__ne__ is not np.ndarray.__ne__ else "array"
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [name, array.dtype.str, list(array.shape), data]


def _kind_of_thing(value):
    if isinstance(value, types.GeneratorType):
        return "generator"
    if inspect.iscoroutine(value):
        value.close()
        return "coroutine"
    if isinstance(value, type):
        return "type"
    return "function" if inspect.isroutine(value) else "object"


def decode(message, depth=0):
    """The value of a message; ValueError for anything that `encode` would not have written."""
    try:
        return _decode(message, depth)
    except (TypeError, IndexError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a value: {type(error).__name__}") from None


def _decode(message, depth):
    if depth > DEEPEST + 1 or type(message) is not list or type(message[0]) is not str:
        raise ValueError("not a value")
    name, *parts = message
    if name in ("list", "tuple"):
        found = [decode(part, depth + 1) for part in _listed(parts[0])]
        return found if name == "list" else tuple(found)
    if name == "dict":
        return {decode(key, depth + 1): decode(part, depth + 1) for key, part in _listed(parts[0])}
    if name in SINGLE:
        return SINGLE[name](*parts)
    raise ValueError("not a value")


def _listed(value):
    if type(value) is not list:
        raise ValueError("not a list")
    return value


def _array(dtype, shape, data):
    if not DTYPE.fullmatch(dtype):
        raise ValueError("not a kind of number")
    dtype, shape = np.dtype(dtype), _shape(shape)
    raw = base64.b64decode(data, validate=True)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ValueError("not as many numbers as the shape says")
    return np.frombuffer(raw, dtype).reshape(shape).copy()


def _shape(shape):
    if any(type(size) is not int or size < 0 for size in _listed(shape)) or len(shape) > 32:
        raise ValueError("not a shape")
    if math.prod(shape) > LARGEST:
        raise ValueError("too many numbers")
    return tuple(shape)


def text(words):
    """A text from the worker, cut, and such that every file can hold it."""
    if type(words) is not str:
        raise ValueError("not a text")
    return words[:LONGEST].encode("utf-8", "replace").decode()


def _objects(shape, dtype):
    return np.full(_shape(shape), None, dtype=object)


def _thing(kind, name):
    """Something of the same kind, of which a reply can only say what it is."""
    if kind == "generator":
        return (part for part in ())
    if kind == "function":
        return lambda: None
    if kind == "type":
        return object
    if kind == "coroutine":
        return _coroutine()
    named = re.sub(r"\W", "_", text(name)) or "object"
    return type(named, (), {})()


def _coroutine():
    async def nothing():
        pass

    made = nothing()
    made.close()
    return made


SINGLE = {
    "none": lambda: None,
    "bool": bool,
    "int": lambda digits: int(digits, 16),
    "float": float.fromhex,
    "complex": lambda real, imag: complex(float.fromhex(real), float.fromhex(imag)),
    "str": text,
    "array": _array,
    "option": lambda *parts: _array(*parts).view(Option),
    "number": lambda *parts: _array(*parts)[()],
    "objects": _objects,
    "thing": _thing,
}
