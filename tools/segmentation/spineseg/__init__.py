"""Training of Spinor's own segmentation models on synthetic images. See README.md."""
