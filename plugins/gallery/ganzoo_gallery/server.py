"""The web server of the gallery."""

import uvicorn

from ganzoo_gallery.app import make_app


class GalleryServer(uvicorn.Server):
    """Serves a gallery; at its end it closes the streams of events, which have no end of their
    own."""

    def __init__(self, gallery):
        self.gallery = gallery
        super().__init__(
            uvicorn.Config(
                make_app(gallery),
                log_level="warning",
                access_log=False,  # the addresses have the token
                timeout_graceful_shutdown=5,
            )
        )

    async def shutdown(self, sockets=None):
        """Close all connections."""
        self.gallery.is_closing.set()
        await super().shutdown(sockets)
