"""Activation smoothing: what makes the features of residual networks fit for style statistics."""

from keras import ops


def spread(features):
    """Root mean square deviation of all values of each map `[B, H, W, C]` from its mean: `[B]`."""
    return ops.std(ops.cast(features, "float32"), axis=(1, 2, 3))


def smooth(features, temperature):
    """Softmax over a whole map, in units of its mean: `[B, H, W, C]` -> the same, float32.

        n exp(f / T) / sum exp(f / T)      n = H W C, the sum over positions and channels

    Sums of residual blocks have few, high peaks (low entropy), and a Gram matrix of them sees
    little else. The softmax gives every position its say again. Wang, Li and Vasconcelos,
    "Rethinking and improving the robustness of image style transfer" (SWAG), arXiv 2104.05623.

    Differs from the paper: multiplied by n, so that maps of any size have mean 1 and statistics
    of pictures of different sizes can be compared; and with a temperature `T > 0` (a number, or
    one for each picture `[B]`), to be given in units of the features' spread, since backbones'
    features differ in scale by orders of magnitude and exp is not homogeneous.
    """
    features = ops.cast(features, "float32")
    shape = ops.shape(features)
    temperature = ops.reshape(ops.convert_to_tensor(temperature, "float32"), (-1, 1))
    flat = ops.reshape(features, (shape[0], -1)) / temperature
    count = ops.cast(ops.shape(flat)[1], "float32")
    return ops.reshape(count * ops.softmax(flat, axis=-1), shape)
