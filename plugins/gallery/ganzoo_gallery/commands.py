"""`ganzoo gallery`: serve the gallery on this machine."""

import re
import secrets
import socket
from pathlib import Path

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.options import json_option, quiet_option
from ganzoo_core.errors import UsageError

_DEFAULT_FOLDER = Path("runs")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")


@click.command(
    epilog=output.examples(
        "ganzoo gallery",
        "ganzoo gallery runs sweeps/losses --port 8080",
        "ganzoo gallery runs --export site",
    )
)
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN_OR_FOLDER ...]")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8420,
    show_default=True,
    help="Port on 127.0.0.1; 0 for a free one.",
)
@click.option(
    "--share-token",
    metavar="TEXT",
    help="The secret part of the address, 16 letters or more; default: a new one at each start.",
)
@click.option(
    "--export",
    "site",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the runs as a static site into a new folder, and serve nothing.",
)
@json_option
@quiet_option
def gallery(*, folders, port, share_token, site, as_json):
    """Look at runs in the browser: live curves and grids, comparisons, samples.

    RUN_OR_FOLDER are runs or folders with runs inside; default: runs. Only this machine can
    connect, and only with the printed address. Ctrl-C ends the gallery; runs go on.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; give runs or folders with runs inside")
    if site is not None:
        from ganzoo_gallery.export import export_site
        from ganzoo_gallery.run_index import RunIndex

        index = RunIndex(folders or (_DEFAULT_FOLDER,))
        index.refresh()
        export_site(index, site)
        output.print_path(site, as_json, runs=len(index.runs()))
        return
    if share_token is not None and not _TOKEN.fullmatch(share_token):
        raise UsageError("--share-token: use 16 to 128 letters, digits, - and _")
    listener = _listen(port)
    token = share_token or secrets.token_urlsafe(24)
    serve(folders or (_DEFAULT_FOLDER,), listener, token, as_json)


def _listen(port):
    """Return a socket on 127.0.0.1.

    Raises:
        UsageError: the port is in use, or reserved.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"--port {port}: {error.strerror.lower()}; give another, or 0 for a free one"
        ) from None
    return listener


def serve(folders, listener, token, as_json):
    """Serve until Ctrl-C, after printing the address."""
    from ganzoo_gallery.app import Gallery
    from ganzoo_gallery.run_index import RunIndex
    from ganzoo_gallery.server import GalleryServer

    index = RunIndex(folders)
    index.refresh()
    server = GalleryServer(Gallery(index, token))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"
    if as_json:
        output.print_json({"address": address, "runs": len(index.runs())})
    else:
        output.print_line(address)
        output.print_note(f"{len(index.runs())} runs; Ctrl-C ends the gallery")
    click.get_text_stream("stdout").flush()
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        output.print_note("the gallery ended")
