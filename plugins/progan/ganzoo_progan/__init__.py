"""ProGAN: both networks grow from 4 px to the size of the images, in stages of one run."""
