"""Throw-away models that prove the contract: each under 60 lines, each unlike a plain GAN."""

from zoo_of_proofs.encoder import EncoderGAN
from zoo_of_proofs.handicap import Handicapped
from zoo_of_proofs.judged import Judged
from zoo_of_proofs.lazy import LazyADA
from zoo_of_proofs.pixels import Pixels
from zoo_of_proofs.triplets import Triplets
from zoo_of_proofs.vae import VAE

PROOFS = (EncoderGAN, Handicapped, Judged, LazyADA, Pixels, Triplets, VAE)
