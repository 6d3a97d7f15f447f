"""The study: MNIST and OMNIGLOT, as a pipeline of stages."""
