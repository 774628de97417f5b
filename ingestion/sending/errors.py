"""Why a channel could not send."""


class ChannelError(Exception):
    """The message was not sent, and another attempt would fail in the same way.

    Arguments:
        message: one line, without the URL: that may be a secret.

    """


class TemporaryError(ChannelError):
    """The message was not sent, but another attempt may succeed.

    Arguments:
        message: one line, without the URL.
        retry_after: seconds that the server asks us to wait.

    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PartlyRefusedError(ChannelError):
    """The message was sent to some of its recipients."""
