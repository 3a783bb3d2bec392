"""FaceNet for ganzoo: face embeddings."""
