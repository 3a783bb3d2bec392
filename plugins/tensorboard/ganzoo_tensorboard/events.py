"""Event files in the format of TensorBoard, flushed after each value.

`SummaryWriter` is not used: it writes from a thread of its own, so that a full disk is noticed late
or never, and it decodes and encodes every image again.
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

_EVENT_FILE_PREFIX = "events.out.tfevents."
"""TensorBoard recognizes event files by this prefix, and reads them in the order of their names."""


class EventFileWriter:
    """One event file; every value is on disk when a method returns."""

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        """Create a new file, after those in the folder.

        Args:
            folder: created if it is missing.
            purge_step: TensorBoard drops values of earlier files from this step on.
        """
        folder.mkdir(exist_ok=True)
        number = len(list(folder.glob(f"{_EVENT_FILE_PREFIX}*")))
        name = f"{_EVENT_FILE_PREFIX}{int(time.time()):010d}.{number:04d}.{socket.gethostname()}"
        self.file = (folder / name).open("xb")
        self.record_writer = RecordWriter(self.file)
        self._write_event(Event(file_version="brain.Event:2"))
        if purge_step is not None:
            session_log = SessionLog(status=SessionLog.START)
            self._write_event(Event(step=purge_step, session_log=session_log))

    def _write_event(self, event: Event) -> None:
        event.wall_time = time.time()
        self.record_writer.write(event.SerializeToString())
        self.file.flush()

    def write_scalars(self, scalars: dict[str, float], step: int) -> None:
        """Append scalars by tag."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._write_event(Event(step=step, summary=Summary(value=values)))

    def write_image(self, tag: str, path: Path, step: int) -> None:
        """Append a PNG file without encoding it again."""
        with Image.open(path) as opened:
            width, height = opened.size
        image = Summary.Image(
            width=width, height=height, colorspace=3, encoded_image_string=path.read_bytes()
        )
        value = Summary.Value(tag=tag, image=image)
        self._write_event(Event(step=step, summary=Summary(value=[value])))

    def write_text(self, tag: str, markdown: str, step: int) -> None:
        """Append a text."""
        plugin = SummaryMetadata.PluginData(plugin_name="text")
        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype=DT_STRING, string_val=[markdown.encode()], tensor_shape=shape)
        value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=tensor)
        self._write_event(Event(step=step, summary=Summary(value=[value])))

    def close(self) -> None:
        """Close the file."""
        self.file.close()
