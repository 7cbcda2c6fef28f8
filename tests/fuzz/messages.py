"""Makes any message from its descriptor alone, so that a new field or method needs no line here."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.odd_values import ODD_FLOATS, ODD_INTEGERS, ODD_TEXTS, SIZES

_DEEPEST = 8
_WILDNESSES = (0.0, 0.0, 0.0, 0.0, 0.01, 0.05, 0.3, 1.0)
"""How many of a message's values are odd: a message of odd ones alone is refused before anything happens."""

_BITS = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)

Words = Mapping[str, Sequence[str]]
"""What texts mean something to the server, by the end of the names of the fields that hold them."""


class MessageMaker:
    """Makes messages, the same ones from the same numbers."""

    def __init__(self, random: Random, words: Words) -> None:
        """Sets where numbers come from, and the words that are known to the server."""
        self._random = random
        self._words = words
        self._any_words = [word for some in words.values() for word in some if word]
        self._wildness = 0.0

    def message(self, descriptor: Descriptor) -> Message:
        """Returns a message of a type."""
        self._wildness = self._random.choice(_WILDNESSES)
        return self._message(descriptor, 0)

    def change(self, message: Message) -> None:
        """Makes one field of a message anew, or of one in it: a good message with one odd value goes far."""
        self._wildness = self._random.choice(_WILDNESSES)
        while True:
            inside = [
                value[self._random.randrange(len(value))] if field.is_repeated else value
                for field, value in message.ListFields()
                if field.message_type is not None and not field.message_type.GetOptions().map_entry
            ]
            if not inside or self._random.random() < 0.5:
                break
            message = self._random.choice(inside)
        fields: Any = message.DESCRIPTOR.fields
        if fields:
            field = self._random.choice(fields)
            message.ClearField(field.name)
            if self._random.random() < 0.9:
                self._fill(message, field, 0)

    def _message(self, descriptor: Descriptor, depth: int) -> Message:
        message = GetMessageClass(descriptor)()
        usual = self._random.choice((0.4, 0.9, 1.0, 1.0, 1.0, 1.0))  # how many of the fields are there
        for field in descriptor.fields:
            if self._random.random() < usual:
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            self._fill_map(getattr(message, field.name), kind, depth)
        elif field.is_repeated:
            made = self._maker(field, depth)
            getattr(message, field.name).extend(made() for _ in range(self._size()))
        elif kind is None:
            setattr(message, field.name, self._maker(field, depth)())
        elif depth < _DEEPEST:
            getattr(message, field.name).CopyFrom(self._message(kind, depth + 1))

    def _fill_map(self, entries: Any, kind: Descriptor, depth: int) -> None:
        key, value = kind.fields_by_name["key"], kind.fields_by_name["value"]
        for _ in range(self._size()):
            if value.message_type is None:
                entries[self._maker(key, depth)()] = self._maker(value, depth)()
            else:
                entries[self._maker(key, depth)()].CopyFrom(self._message(value.message_type, depth + 1))

    def _size(self) -> int:
        """Returns how long a list is: short mostly, at times at one of the contract's limits or just past."""
        random = self._random
        if random.random() < 0.02 + self._wildness / 20:
            return random.choice(SIZES) + random.choice((-1, 0, 0, 1))
        return min(int(random.expovariate(0.4)), 30)

    def _maker(self, field: FieldDescriptor, depth: int) -> Callable[[], Any]:
        """Returns what makes one value of a field."""
        kind, name = field.cpp_type, field.name
        message, enum = field.message_type, field.enum_type
        if message is not None:
            return lambda: self._message(message, depth + 1)
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return lambda: self._random.random() < 0.5
        if enum is not None:
            return lambda: self._enum(enum)
        if kind in _FLOATS:
            return self._float
        if kind in _BITS:
            return lambda: self._integer(*_BITS[kind])
        if field.type == FieldDescriptor.TYPE_BYTES:
            return lambda: self._text(name).encode() + self._random.randbytes(self._random.randrange(4))
        return lambda: self._text(name)

    def _is_odd(self) -> bool:
        return self._random.random() < self._wildness

    def _enum(self, kind: EnumDescriptor) -> int:
        if self._is_odd():
            return self._random.choice((-1, 0, len(kind.values), 99, 2**31 - 1, -(2**31)))
        number: int = self._random.choice(kind.values[1:] or kind.values).number
        return number

    def _integer(self, least: int, most: int) -> int:
        number = self._random.choice(ODD_INTEGERS) if self._is_odd() else self._any_size()
        return max(least, min(most, int(number)))

    def _float(self) -> float:
        return self._random.choice(ODD_FLOATS) if self._is_odd() else self._any_size()

    def _any_size(self) -> float:
        """Returns a number that a caller may mean: none, a few, thousands, millions."""
        random = self._random
        which = random.random()
        if which < 0.1:
            return random.choice((0, 1, 2, 10))
        return float(10 ** random.uniform(0, 8 if which < 0.13 else random.choice((1, 3, 3.5))))

    def _text(self, field: str) -> str:
        random = self._random
        if self._is_odd():
            return random.choice(ODD_TEXTS)
        known = self._any_words
        if random.random() >= 0.05:
            known = next((list(some) for end, some in self._words.items() if field.endswith(end)), known)
        return random.choice(known)
