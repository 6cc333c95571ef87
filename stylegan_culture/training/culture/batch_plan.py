"""Which rows of a batch of the culture GAN become what.

A batch is cut into equal groups, one after another, that are laid out alike: contents to be
restyled in default codes, the same number in codes mapped from noise, and the rest in codes of
examples. Devices that share a batch take whole groups, so that the pictures and codes that meet
are the same on any number of devices.
"""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Layout:
    """The parts of a batch; numbers of rows are those in one group.

    groups: of the batch. size: rows. mapped: restyled by default codes, and as many by mapped
    ones. encoded: restyled by examples; `size = 2 mapped + encoded`. paired: whether mapped codes
    restyle the same contents as default codes, so that both can be compared.
    """

    groups: int
    size: int
    mapped: int
    encoded: int
    paired: bool

    @classmethod
    def of(cls, rows: int, groups: int, examples: float, paired: bool):
        """The layout of a batch of `rows` whose share `examples` follows examples."""
        size = rows // groups
        encoded = round(size * examples / 2) * 2
        return cls(groups, size, (size - encoded) // 2, encoded, paired)

    @property
    def order(self) -> list[int]:
        """The row of the batch whose content and culture each restyled picture has."""
        repeated = 0 if self.paired else self.mapped
        first = [*range(self.mapped), *range(repeated, repeated + self.mapped)]
        return self._everywhere([*first, *self._others])

    @property
    def examples(self) -> list[int]:
        """The rows of the batch whose style pictures are examples."""
        return self._everywhere(self._others)

    @property
    def is_example(self):
        """Whether a restyled picture follows an example: float32 `[B]` in {0, 1}."""
        return tf.cast(tf.range(self.groups * self.size) % self.size >= 2 * self.mapped, tf.float32)

    @property
    def _others(self) -> range:
        first = self.mapped + (0 if self.paired else self.mapped)
        return range(first, first + self.encoded)

    def _everywhere(self, rows) -> list[int]:
        return [group * self.size + row for group in range(self.groups) for row in rows]

    def rows(self, values, first: int, last: int):
        """Rows `first` to `last`, exclusive, of every group of values `[B, ...]`."""
        if self.groups == 1:
            return values[first:last]
        return self._merged(self._split(values)[:, first:last])

    def pairs(self, pictures):
        """Restyled pictures in default codes, and in mapped ones, one to one where `paired`."""
        default = self.rows(pictures, 0, self.mapped)
        return default, self.rows(pictures, self.mapped, 2 * self.mapped)

    def joined(self, parts):
        """Values that hold some rows of every group, put together to all rows of every group."""
        if self.groups == 1:
            return tf.concat(parts, 0)
        return self._merged(tf.concat([self._split(part) for part in parts], 1))

    def rolled(self, values):
        """Values `[B, ...]`, each of them that of the row before in its group."""
        return self._merged(tf.roll(self._split(values), 1, 1))

    def spread(self, pictures):
        """Mean deviation of a value over the pictures `[B, ...]` of a group."""
        return tf.reduce_mean(tf.math.reduce_std(self._split(pictures), axis=1))

    def _split(self, values):
        rows = values.shape[0] // self.groups
        return tf.reshape(values, [self.groups, rows, *values.shape[1:]])

    def _merged(self, values):
        shape = values.shape
        return tf.reshape(values, [shape[0] * shape[1], *shape[2:]])
