"""Registers `imdb-wiki`; cheap to import."""

from __future__ import annotations

from ganzoo_core.zoo import DatasetSpec, hookimpl
from ganzoo_core.zoo.hooks import Registrar


@hookimpl
def ganzoo_register(zoo: Registrar) -> None:
    """Add the data set."""
    zoo.add(
        DatasetSpec(
            name="imdb-wiki",
            summary="IMDB-WIKI: celebrity faces with ages",
            target="ganzoo_imdb_wiki.dataset:ImdbWiki",
            config="ganzoo_imdb_wiki.config:ImdbWikiConfig",
            paper="Deep Expectation of Real and Apparent Age, IJCV 2018, "
            "doi 10.1007/s11263-016-0940-3",
            license="academic research only",
            fields=("image", "age", "identity"),
        )
    )
