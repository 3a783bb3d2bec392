"""The server behind the `ganzoo` and `ranks` fixtures: one JSON request a line in, one list of exit
codes a line out."""

import importlib
import json
import os
import resource
import sys
import traceback
from pathlib import Path

import matplotlib.figure  # noqa: F401
import torch._dynamo  # noqa: F401 - the first optimiser of a process imports it, in 2 s
from torch.distributed import TCPStore

import ganzoo_core.report
import ganzoo_core.runs.training  # noqa: F401 - torch with it: this is what takes seconds
from ganzoo_core.cli.main import main


def serve() -> None:
    """Fork once for each request, or once for each rank it asks for."""
    for line in sys.stdin:
        request = json.loads(line)
        store, world = meeting(request["ranks"])
        children = []
        for rank in range(request["ranks"]):
            children.append(os.fork())
            if children[-1] == 0:
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if world else {}
                request["env"] = {**world, **own, **request["env"]}
                become(request)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)
        del store


def meeting(ranks: int) -> tuple[TCPStore | None, dict[str, str]]:
    """Open the store where ranks meet, as torchrun does; return what tells them of it."""
    if ranks < 2:
        return None, {}
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    return store, {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(ranks),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


def become(request: dict) -> None:
    """Turn this process into `ganzoo ARGS`, or into a call of a function of the tests."""
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(request["cwd"])
    os.environ.update(request["env"])
    sys.path[:0] = [str(Path(p)) for p in request["env"].get("PYTHONPATH", "").split(":") if p]
    if request["file_limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"],) * 2)
    try:
        if request["call"]:
            module, _, name = request["call"].partition(":")
            getattr(importlib.import_module(module), name)(*request["args"])
            raise SystemExit(0)
        main(request["args"])
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


serve()
