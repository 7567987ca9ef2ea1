"""What every suite prints: one line a step, `ok NAME` or `not ok NAME` with `#` lines that say why. Ends the process with 1 if any
step failed. Standard library only."""
import contextlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__)) + "/"
FAILED = []


def say(name, why=None):
    """Tells of one step; `why` is text if it failed."""
    print(f"not ok {name}" if why else f"ok {name}")
    if why:
        FAILED.append(name)
        for line in str(why).strip().splitlines()[:40]:
            print(f"#   {line}")
    sys.stdout.flush()


@contextlib.contextmanager
def step(name):
    """A step fails by any exception; the suite goes on."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001: a failed step must not end the suite
        last = traceback.extract_tb(problem.__traceback__)[-1]
        mine = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename.startswith(HERE) and frame.filename != __file__]
        where = mine[-1] if mine else last
        say(name, f"{type(problem).__name__}: {problem}\nat {where.filename.rsplit('/', 1)[-1]}:{where.lineno}: {where.line}")
    else:
        say(name)


def equal(got, wanted):
    """Fails with both."""
    if got != wanted:
        raise AssertionError(f"got {got!r}, wanted {wanted!r}")


def eventually(what, check, seconds=30.0):
    """Waits until `check` gives something; that."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def done():
    """The end of a suite."""
    sys.exit(1 if FAILED else 0)
