"""Made-up faces for tests: two of each group, drawn, with their table."""

import numpy as np

from stylegan_culture import images
from stylegan_culture.measures import colour

LEVELS = {"dark": 30.0, "medium": 55.0, "light": 75.0}


def write(folder):
    """Writes `faces.csv` and its pictures, 64 px a side; returns the table's path."""
    rows, generator = (
        ["file,left,top,right,bottom,median_lightness,group"],
        np.random.default_rng(6),
    )
    for group, level in LEVELS.items():
        for number in range(2):
            drawn = np.zeros((64, 64, 3))
            drawn[..., 0] = level + 5.0 * number + generator.normal(0, 1, (64, 64))
            drawn[26:32, 20:28, 0] -= 15.0
            drawn[26:32, 36:44, 0] -= 15.0
            drawn[..., 1:] = (10.0, 15.0)
            name = f"{group}_{number}.png"
            images.write(folder / "faces" / name, colour.srgb(drawn).astype(np.float32))
            rows.append(f"{name},16,16,48,56,{level},{group}")
    table = folder / "faces.csv"
    table.write_text("\n".join(rows) + "\n", "utf-8")
    return table
