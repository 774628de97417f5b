"""Thrift's compact protocol, walked through and not understood: whether a structure is whole.

The metadata of Parquet files is written in it; see doc/specs/thrift-compact-protocol.md of Apache Thrift.
"""

_BOOLEANS = (1, 2)
_BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = 3, (4, 5, 6), 7, 8, (9, 10), 11, 12
# a list's size, where it follows as a number
_LONG = 15
_MAX_DEPTH = 32
_MAX_SHIFT = 63


def walk(data: bytes) -> None:
    """Walk through a structure.

    Arguments:
        data: the structure; what stands behind it is not looked at.

    Raises:
        ValueError: it is none, or does not end within the data.

    """
    _Walk(data).structure(0)


class _Walk:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def structure(self, depth: int) -> None:
        while head := self._byte():
            if not head >> 4:
                self._number()
            kind = head & 15
            if kind not in _BOOLEANS:
                self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        if kind == _BYTE or kind in _BOOLEANS:
            self._pass(1)
        elif kind in _INTEGERS:
            self._number()
        elif kind == _DOUBLE:
            self._pass(8)
        elif kind == _BINARY:
            self._pass(self._number())
        elif kind in _LISTS:
            self._elements(depth)
        elif kind == _MAP:
            self._entries(depth)
        elif kind == _STRUCT:
            self.structure(depth + 1)
        else:
            raise ValueError("no such type")

    def _elements(self, depth: int) -> None:
        head = self._byte()
        size = head >> 4
        for _ in range(self._number() if size == _LONG else size):
            self._value(head & 15, depth + 1)

    def _entries(self, depth: int) -> None:
        size = self._number()
        if size:
            kinds = self._byte()
            for _ in range(size):
                self._value(kinds >> 4, depth + 1)
                self._value(kinds & 15, depth + 1)

    def _number(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte & 128 == 0:
                return number
            shift += 7
            if shift > _MAX_SHIFT:
                raise ValueError("a number without an end")

    def _byte(self) -> int:
        self._pass(1)
        return self._data[self._position - 1]

    def _pass(self, count: int) -> None:
        self._position += count
        if self._position > len(self._data):
            raise ValueError("cut off")
