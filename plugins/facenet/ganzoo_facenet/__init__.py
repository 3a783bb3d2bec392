"""FaceNet for ganzoo: photographs of one person lie close together."""
