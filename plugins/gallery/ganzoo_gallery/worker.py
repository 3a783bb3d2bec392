"""The process that holds the models: it answers one request after the other.

It is started as `python -m ganzoo_gallery.worker`. Requests and answers are `messages` on its
standard streams. It imports torch, so that the server need not.
"""

import io
import json
import os
import queue
import sys
import threading
from collections import OrderedDict

import ganzoo_core
from ganzoo_core.errors import GanzooError, error_line
from ganzoo_gallery.controls import parse_options
from ganzoo_gallery.messages import read_message, write_message

_MAX_IMAGES = 256
"""Samples of one request."""


class Cancelled(Exception):
    """Nobody waits for the answer."""


class ModelCache:
    """Models by the path of their weights; the least recently used ones are dropped.

    Args:
        max_bytes: of the parameters and buffers of all models; one model may be larger.
        load: returns the model of a path.
    """

    def __init__(self, max_bytes, load):
        self.max_bytes, self.load = max_bytes, load
        self._models = OrderedDict()

    def get(self, path, version=""):
        """Return the model of a path; loaded again if the version differs."""
        key = (path, version)
        if key not in self._models:
            self._models[key] = self.load(path)
        self._models.move_to_end(key)
        while len(self._models) > 1 and self.num_bytes() > self.max_bytes:
            self._models.popitem(last=False)
        return self._models[key]

    def num_bytes(self):
        """Return the bytes of all models."""
        return sum(
            tensor.nbytes
            for model in self._models.values()
            for tensor in model.state_dict().values()
        )

    def paths(self):
        """Return the paths of the models, the least recently used first."""
        return [path for path, _ in self._models]


def draw_samples(models, request, _parts, check):
    """Return a PNG for each seed: that of `ganzoo sample --each` with the same options."""
    from PIL import Image

    from ganzoo_core.interfaces.sampling import sample_seeds
    from ganzoo_core.report import encode_png, to_uint8

    model = models.get(request["path"], request["version"])
    seeds = range(request["seed"], request["seed"] + min(request["count"], _MAX_IMAGES))
    pictures = []
    for batch in sample_seeds(model, seeds, request["label"], request["options"]):
        check()
        pictures += [encode_png(Image.fromarray(image)) for image in to_uint8(batch)]
    return pictures


def draw_interpolation(models, request, _parts, check):
    """Return a PNG for each frame from one sample to another, and a GIF of all frames."""
    from PIL import Image

    from ganzoo_core.report import encode_png, to_uint8
    from ganzoo_gallery.interpolation import interpolate

    model = models.get(request["path"], request["version"])
    images = interpolate(
        model, request["seeds"], request["frames"], request["label"], request["options"]
    )
    check()
    frames = [Image.fromarray(image) for image in to_uint8(images)]
    size = max(1, 256 // frames[0].width)
    large = [f.resize((f.width * size, f.height * size), Image.Resampling.NEAREST) for f in frames]
    out = io.BytesIO()
    there_and_back = [*large, *large[-2:0:-1]]
    large[0].save(out, "GIF", save_all=True, append_images=there_and_back[1:], duration=80, loop=0)
    return [*map(encode_png, frames), out.getvalue()]


def draw_section(models, request, parts, _check):
    """Return the images of a section of a plugin as JPEG, and their captions as JSON."""
    from ganzoo_core.zoo import import_target

    model = models.get(request["path"], request["version"])
    options = request["options"]
    if request["config"]:
        options = parse_options(import_target(request["config"]), options)
    found = import_target(request["target"])(model, parts[0] if parts else None, options)
    images = []
    for _, image in found:
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=92, subsampling=0)
        images.append(out.getvalue())
    return [*images, json.dumps([str(caption) for caption, _ in found]).encode()]


TASKS = {
    "samples": draw_samples,
    "interpolation": draw_interpolation,
    "section": draw_section,
}


def main():
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what models print must not mix with the answers
    requests, cancelled = queue.Queue(), set()
    threading.Thread(target=_read_requests, args=(requests, cancelled), daemon=True).start()
    models = ModelCache(int(sys.argv[1]), ganzoo_core.load)
    while (message := requests.get()) is not None:
        request, parts = message

        def check(job=request["job"]):
            if job in cancelled:
                raise Cancelled

        try:
            check()
            results = TASKS[request["kind"]](models, request, parts, check)
            answer = {"job": request["job"], "error": ""}
        except Cancelled:
            results, answer = [], {"job": request["job"], "error": "cancelled"}
        except GanzooError as error:
            results, answer = [], {"job": request["job"], "error": str(error)}
        except Exception as error:  # of the code of a plugin: the gallery goes on
            results, answer = [], {"job": request["job"], "error": error_line(error)}
        cancelled.discard(request["job"])
        write_message(answers, answer, results)


def _read_requests(requests, cancelled):
    while (message := read_message(sys.stdin.buffer)) is not None:
        if "cancel" in message[0]:
            cancelled.add(message[0]["cancel"])
        else:
            requests.put(message)
    requests.put(None)


if __name__ == "__main__":
    main()
