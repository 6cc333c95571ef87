"""Training: one loop, and one module for each trainer.

A new trainer is one file, or a folder, and one line in `TRAINERS`. The file holds the settings
(`runs.RunConfig` with its groups), the presets, the trainer (`loop.Trainer`: networks and step),
and `main(arguments)`, which `stylegan_culture.train` calls:

    def main(arguments=None):
        run = runs.begin(arguments, __doc__, PRESETS)
        if run is None:  # --dry-run
            return
        source, content = run.sources()
        trainer = ToyTrainer(run.config)
        metrics = run.train(trainer, source, content)
        if metrics is not None:
            run.finish(metrics)
        run.announce("sheet")

Where `main` returns something, `stylegan_culture.train` hands it to reports. `--help` has to be
quick, so what loads TensorFlow is named by `later` at the top of the file.
"""

import dataclasses

from stylegan_culture.later import later as later


@dataclasses.dataclass(frozen=True)
class Entry:
    """A trainer: its module, what it trains, and whether devices can share its batches."""

    module: str
    text: str
    shares: bool = False


_HERE = "stylegan_culture.training"
TRAINERS = {
    "culture": Entry(f"{_HERE}.culture.run", "the culture GAN, which restyles pictures", True),
    "backbone": Entry(
        f"{_HERE}.backbone", "the culture backbone, which follows a distilled VGG-19"
    ),
    "codes": Entry(
        f"{_HERE}.codes", "style codes for the cultures of a trained model, without training it"
    ),
    "decoder": Entry(
        f"{_HERE}.decoder", "decoders of a backbone's taps, for the methods without training"
    ),
    "classifier": Entry(
        f"{_HERE}.classifier", "the tagger that `stylegan_culture.annotate` proposes cultures by"
    ),
    "restore": Entry(
        f"{_HERE}.restore", "restoration: super-resolution, colour, noise, holes, contrast"
    ),
    "cyclegan": Entry(
        f"{_HERE}.cyclegan",
        "CycleGAN, which turns pictures of one culture into another's and back",
    ),
    "dcgan": Entry(f"{_HERE}.dcgan", "a GAN that draws pictures of a culture from noise"),
    "vae": Entry(
        f"{_HERE}.vae",
        "a variational autoencoder, which reconstructs pictures and draws them from noise",
        True,
    ),
}
