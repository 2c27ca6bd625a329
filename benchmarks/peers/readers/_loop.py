"""The common part of the readers: paths on standard input, a line of JSON for each on standard output.

These programs run in a separate environment, without Platelane.
"""

import contextlib
import json
import os
import sys
import time


def serve(load):
    """Read every incoming path with the function that `load` returns, whose output is discarded."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def say(document):
        print(json.dumps(document), file=out, flush=True)

    try:
        with contextlib.redirect_stdout(sys.stderr):
            read = load()
    except OSError:  # the errors of all HTTP libraries are such
        say({"problem": "its models cannot be downloaded here"})
        return
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:150]
        say({"problem": f"cannot be loaded: {type(error).__name__}: {reason}"})
        return
    say({"ready": True})
    for line in sys.stdin:
        path = line.rstrip("\n")
        start = time.perf_counter()
        try:
            texts = [str(text) for text in read(path)]
        except Exception:
            texts = []
        say({"texts": texts, "seconds": time.perf_counter() - start})
