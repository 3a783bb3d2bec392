"""Pretrained weights of ganzoo: drawn portraits and Fashion-MNIST."""
