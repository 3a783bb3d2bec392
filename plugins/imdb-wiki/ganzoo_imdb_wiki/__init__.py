"""IMDB-WIKI for ganzoo: 523,051 faces of celebrities with ages and identities."""
