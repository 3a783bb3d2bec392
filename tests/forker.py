"""The server behind the `ganzoo` fixture: one JSON request a line in, one exit code a line out."""

import json
import os
import resource
import sys
from pathlib import Path

import matplotlib.figure  # noqa: F401

import ganzoo_core.report
import ganzoo_core.runs.training  # noqa: F401 - torch with it: this is what takes seconds
from ganzoo_core.cli.main import main


def serve() -> None:
    """Fork once for each request."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            become(request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(request: dict) -> None:
    """Turn this process into `ganzoo ARGS`."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    sys.path[:0] = [str(Path(p)) for p in request["env"].get("PYTHONPATH", "").split(":") if p]
    if request["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"],) * 2)
    try:
        main(request["args"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


serve()
