"""Pictures with a plain sky over noise."""

import numpy as np

SIDE = 64


def picture(generator, sky, tone=1.0):
    """Noise in blocks of 4 px whose upper `sky` rows are one colour, `[SIDE, SIDE, 3]`."""
    drawn = generator.uniform(0.2, 0.8, (SIDE // 4, SIDE // 4, 1)).repeat(4, 0).repeat(4, 1)
    drawn = np.repeat(drawn, 3, axis=2).astype(np.float32)
    drawn[:sky] = 0.6
    return drawn * tone
