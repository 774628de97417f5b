"""`python -m ingestion` runs the command line."""

import os
import signal
import sys
from importlib import import_module

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end(signum: int, _frame: object) -> None:
    """End the process: nothing has begun that would have to be cleaned up."""
    os.write(2, f"error: interrupted by {signal.Signals(signum).name}\n".encode())
    os._exit(128 + signum)


def ignore(_signum: int, _frame: object) -> None:
    """Do nothing: the command has ended, and its exit code stands."""


if __name__ == "__main__":
    # the imports take half a second, and a signal must be neither missed nor end as a traceback meanwhile
    for each in _SIGNALS:
        signal.signal(each, end)
    main = import_module("ingestion.cli").main
    # until the command line has handlers of its own
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for each in _SIGNALS:
        signal.signal(each, ignore)
    code = main()
    # at its end, Python gives back the default of signals that have a handler; the exit code stands from here on
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(code)
