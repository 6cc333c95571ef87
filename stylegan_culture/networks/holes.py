"""The restoring network's input: a picture with its holes filled from around, and their mask.

Pictures are `[B, H, W, 3]` in [0, 1]; masks `[B, H, W, 1]`, 1 in holes and 0 elsewhere; the input
`[B, H, W, 4]`.
"""

from keras import KerasTensor, ops


def known(pictures: KerasTensor) -> KerasTensor:
    """Pictures with the plane that says that nothing is missing."""
    return ops.concatenate([pictures, ops.zeros_like(pictures[..., :1])], axis=-1)


def with_holes(pictures: KerasTensor, mask: KerasTensor) -> KerasTensor:
    """Pictures whose holes are filled smoothly from what surrounds them, and the mask."""
    mask = ops.cast(mask, "float32")
    return ops.concatenate([filled(pictures, mask), mask], axis=-1)


def filled(pictures: KerasTensor, mask: KerasTensor) -> KerasTensor:
    """Pictures without holes; outside of holes they stay the same bit for bit.

    Push and pull: known pixels are averaged to coarser and coarser pictures, and a hole takes the
    value of the finest one that knows it (Gortler et al., "The Lumigraph", 1996, section 3.4). A
    picture that is one hole becomes grey.
    """
    height, width = pictures.shape[1], pictures.shape[2]
    if max(height, width) == 1:
        return ops.where(mask > 0.5, 0.5, pictures)
    weight = 1.0 - mask
    pooled, share = (
        ops.average_pool(value, 2, 2, padding="same") for value in (pictures * weight, weight)
    )
    nothing = ops.cast(share <= 0.0, "float32")
    coarse = filled(pooled / ops.maximum(share, 1e-6), nothing)
    enlarged = ops.image.resize(coarse, (height, width), "bilinear")
    return ops.where(mask > 0.5, enlarged, pictures)


def kept_around(given: KerasTensor, restored: KerasTensor) -> KerasTensor:
    """Restored pictures `[B, H, W, 3]`; of pictures with holes only the holes: given pixels around
    them are true, and stay bit for bit."""
    mask = given[..., 3:] > 0.5
    has_holes = ops.any(mask, axis=(1, 2, 3), keepdims=True)
    return ops.where(ops.logical_and(has_holes, ops.logical_not(mask)), given[..., :3], restored)
