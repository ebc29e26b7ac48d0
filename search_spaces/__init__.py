"""The gallery: search spaces to use as they are, and to read before writing your own.

One family a file, each readable top to bottom (genes, blocks, network):

- ``convnet``: small convolutional networks for images, with and without a gene for augmentation;
- ``mlp``: fully connected networks for feature vectors and small images;
- ``optimizers`` and ``augmentation``: genes of the training, shared by all families.
"""
