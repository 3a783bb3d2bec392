"""The server behind the `run_ganzoo` fixture: each line in is one JSON request, each line out one
list of exit codes."""

import importlib
import json
import os
import resource
import sys
import traceback
from pathlib import Path

import matplotlib.figure  # noqa: F401
import torch._dynamo  # noqa: F401 - the first optimizer of a process imports it in 2 s
from torch.distributed import TCPStore

import ganzoo_core.report
import ganzoo_core.training.api  # noqa: F401 - imports torch, which takes seconds
from ganzoo_core.cli.main import main


def serve_requests() -> None:
    """Fork once for each rank of each request."""
    for line in sys.stdin:
        request = json.loads(line)
        store, rendezvous_env = open_rendezvous(request["ranks"])
        children = []
        for rank in range(request["ranks"]):
            children.append(os.fork())
            if children[-1] == 0:
                rank_env = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if rendezvous_env else {}
                request["env"] = {**rendezvous_env, **rank_env, **request["env"]}
                run_request(request)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(json.dumps(codes), flush=True)
        del store


def open_rendezvous(world_size: int) -> tuple[TCPStore | None, dict[str, str]]:
    """Open the rendezvous store as torchrun does; return it and its environment variables."""
    if world_size < 2:
        return None, {}
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    return store, {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "WORLD_SIZE": str(world_size),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }


def run_request(request: dict) -> None:
    """Run `ganzoo ARGS`, or a function of the tests, and exit."""
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
    except SystemExit as error:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(error.code)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


serve_requests()
os._exit(0)  # without the finalizers of torch, which take seconds
