"""Small models that test the contract: each under 60 lines, each unlike a plain GAN."""

from contract_models.autoregressive import TinyPixelCNN
from contract_models.auxiliary_loss import AuxiliaryLossModel
from contract_models.controlled_d import ControlledDiscriminatorGAN
from contract_models.encoder_gan import EncoderGAN
from contract_models.lazy_r1_ada import LazyADA
from contract_models.triplet_embedder import TripletEmbedder
from contract_models.vae import VAE

CONTRACT_MODELS = (
    EncoderGAN,
    ControlledDiscriminatorGAN,
    AuxiliaryLossModel,
    LazyADA,
    TinyPixelCNN,
    TripletEmbedder,
    VAE,
)
