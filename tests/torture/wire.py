"""PostgreSQL's wire protocol, as far as the laboratory has to understand it.

https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

_KEPT = 64
_UNTYPED_HEAD = 4
_TYPED_HEAD = 5


@dataclass(frozen=True)
class Message:
    """A message: its type, empty for the first ones of a client, and the beginning of its body."""

    kind: bytes
    body: bytes

    @property
    def is_commit(self) -> bool:
        """Whether a client asks to commit."""
        return self.kind == b"Q" and self.body.rstrip(b"\0; ").lower() == b"commit"

    @property
    def is_ready(self) -> bool:
        """Whether the server has answered a query in full."""
        return self.kind == b"Z"


@dataclass
class Messages:
    """Finds the messages in one direction of a connection, however it is cut into pieces.

    Arguments:
        is_client: whether the client sends them: its first messages have no type.

    """

    is_client: bool
    _head: bytearray = field(default_factory=bytearray)
    _body: bytearray = field(default_factory=bytearray)
    _left: int | None = None
    _has_started: bool = False

    def feed(self, data: bytes) -> Iterator[tuple[int, Message]]:
        """Yield each message that ends in these bytes, with the place in them where it ends."""
        place = 0
        while place < len(data):
            if self._left is None:
                head = data[place : place + self._head_size - len(self._head)]
                self._head += head
                place += len(head)
                if len(self._head) < self._head_size:
                    return
                self._left = int.from_bytes(self._head[-4:], "big") - 4
            taken = min(self._left, len(data) - place)
            self._body += data[place : place + min(taken, _KEPT - len(self._body))]
            self._left -= taken
            place += taken
            if self._left == 0:
                yield place, self._finish()

    @property
    def _head_size(self) -> int:
        return _UNTYPED_HEAD if self.is_client and not self._has_started else _TYPED_HEAD

    def _finish(self) -> Message:
        message = Message(bytes(self._head[:-4]), bytes(self._body))
        if not message.kind:
            # a protocol version begins with its major number; requests for encryption or to cancel begin with 1234
            self._has_started = message.body[:2] != (1234).to_bytes(2, "big")
        self._head.clear()
        self._body.clear()
        self._left = None
        return message
