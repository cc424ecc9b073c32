"""What the networks tell apart, and the constants that training and the exported plans must share."""

# Classes in the order of the network's outputs, named as `spinor prepare` knows them.
CLASSES = ("background", "vertebral_body", "vertebral_arch", "sacrum", "disc", "canal")

# Tissues of a source volume: the classes, then what only the image shows, then what only MR tells apart.
SOFT, BODY, ARCH, SACRUM, DISC, CANAL, OTHER_BONE, MUSCLE, VISCERA, VESSEL, LUNG, AIR = range(12)
SAC, CORD, NUCLEUS, PEDICLE = range(12, 16)
TISSUES = 16
# What the last four count as. CT's canal is all that bone surrounds and its body reaches into the pedicles; MR's canal is the dural sac,
# its epidural fat is background, and its body ends at the posterior wall, as in maps that were drawn on MR.
CT_TISSUES = {SAC: CANAL, CORD: CANAL, NUCLEUS: DISC, PEDICLE: BODY}
CT_CLASSES = {CANAL: CANAL, **CT_TISSUES}
MR_CLASSES = {SAC: CANAL, CORD: CANAL, NUCLEUS: DISC, PEDICLE: ARCH, CANAL: 0}
# In the classes of a labelled image: a voxel that does not count, and NOT + k for one of which only is known that it is not class k.
UNKNOWN, NOT = -1, 16
BONES = (BODY, ARCH, SACRUM, OTHER_BONE)

SOURCE_MM = 1.5  # voxel of the source volumes
NETWORK_MM = 2.0  # voxel that the networks see
PATCH = 64  # voxels of the exported network's input along each axis

# CT: clipped, and 0 at the lower end, so that nnU-Net's zero padding is air. The network itself shifts this to its own zero, 150 HU.
CT_LOW_HU, CT_HIGH_HU, CT_SCALE_HU, CT_CENTRE_HU = -250.0, 1250.0, 300.0, 150.0
CT_SHIFT = (CT_CENTRE_HU - CT_LOW_HU) / CT_SCALE_HU
