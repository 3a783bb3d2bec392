"""Event files in TensorBoard's format, written at once.

Not `SummaryWriter`: it writes from a thread of its own, so that a full disk is noticed late or
never, and it decodes and encodes every picture anew.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.summary.writer.record_writer import RecordWriter

PREFIX = "events.out.tfevents."
"""How TensorBoard knows an event file; it reads those of a folder in the order of their names."""


class EventFile:
    """One event file, open for writing; every value is on disk when a call returns."""

    def __init__(self, folder: Path, purge: int | None = None) -> None:
        """Open a new file, after those of the folder.

        Args:
            purge: TensorBoard then forgets all of the earlier files from this step on.
        """
        folder.mkdir(exist_ok=True)
        number = len(list(folder.glob(f"{PREFIX}*")))
        name = f"{PREFIX}{int(time.time()):010d}.{number:04d}.{socket.gethostname()}"
        self.file = (folder / name).open("xb")
        self.records = RecordWriter(self.file)
        self.write(Event(file_version="brain.Event:2"))
        if purge is not None:
            self.write(Event(step=purge, session_log=SessionLog(status=SessionLog.START)))

    def write(self, event: Event) -> None:
        """Append an event."""
        event.wall_time = time.time()
        self.records.write(event.SerializeToString())
        self.file.flush()

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Append numbers."""
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self.write(Event(step=step, summary=Summary(value=found)))

    def image(self, tag: str, path: Path, step: int) -> None:
        """Append a PNG as it is."""
        with Image.open(path) as opened:
            width, height = opened.size
        picture = Summary.Image(
            width=width, height=height, colorspace=3, encoded_image_string=path.read_bytes()
        )
        self.write(Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, image=picture)])))

    def text(self, tag: str, markdown: str, step: int) -> None:
        """Append a text."""
        plugin = SummaryMetadata.PluginData(plugin_name="text")
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()], tensor_shape=shape)
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self.write(Event(step=step, summary=Summary(value=[value])))

    def close(self) -> None:
        """Close the file."""
        self.file.close()
