"""Taps of a network that is walked from its entry on."""


def gather(walk, known, wanted=None) -> dict:
    """`{tap: features}` of the taps wanted; what lies deeper than all of them is not computed.

    Args:
        walk: yields (tap, features `[B, h, w, C]`) in the order of `known`.
        known: names of all taps.
        wanted: names of some, in any order; None: all.

    Raises:
        ValueError: a tap that the network has not.
    """
    wanted, found = tuple(known) if wanted is None else tuple(wanted), {}
    for name, value in walk:
        if name in wanted:
            found[name] = value
        if len(found) == len(wanted):
            return found
    raise ValueError(f"taps are {', '.join(known)}, not {', '.join(wanted)}")
