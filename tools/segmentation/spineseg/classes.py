"""What the networks tell apart, and the constants that training and the exported plans must share."""

# Classes in the order of the network's outputs, named as `spinor prepare` knows them.
CLASSES = ("background", "vertebral_body", "vertebral_arch", "sacrum", "disc", "canal")

# Tissues of a source volume: the classes, then what only the image shows.
SOFT, BODY, ARCH, SACRUM, DISC, CANAL, OTHER_BONE, MUSCLE, VISCERA, VESSEL, LUNG, AIR = range(12)
BONES = (BODY, ARCH, SACRUM, OTHER_BONE)

SOURCE_MM = 1.5  # voxel of the source volumes
NETWORK_MM = 2.0  # voxel that the networks see
PATCH = 64  # voxels of the exported network's input along each axis

# CT: clipped, and 0 at the lower end, so that nnU-Net's zero padding is air. The network itself shifts this to its own zero, 150 HU.
CT_LOW_HU, CT_HIGH_HU, CT_SCALE_HU, CT_CENTRE_HU = -250.0, 1250.0, 300.0, 150.0
CT_SHIFT = (CT_CENTRE_HU - CT_LOW_HU) / CT_SCALE_HU
