"""Settings of the culture GAN: weights of the losses, optimisers, backbone, presets."""

import dataclasses

from stylegan_culture.config import InputError, bounded, option, weight
from stylegan_culture.networks.sizes import DiscriminatorConfig, GeneratorConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training import later
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.discriminators import AdversarialConfig, DiscriminatorLossConfig
from stylegan_culture.training.loop import LoopConfig
from stylegan_culture.training.runs import RunConfig

backbones = later("stylegan_culture.features.backbones")
models = later("stylegan_culture.models")


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses; 0 leaves one out."""

    adversarial: float = weight(1.0, "the picture discriminator's verdict")
    feature_adversarial: float = weight(1.0, "the verdict on backbone features")
    feature_matching: float = weight(
        0.0, "the discriminators' features that restyled pictures share with real ones"
    )
    cycle: float = weight(4.0, "contents recovered from restyled pictures")
    identity: float = weight(4.0, "style pictures recovered by their own code")
    content_return: float = weight(4.0, "contents returned at strength 0")
    style_code: float = weight(1.0, "style codes recovered from restyled pictures")
    diversity: float = weight(1.0, "the difference between two codes of a culture")
    layout: float = weight(0.0, "the contents' colours in squares of 8 pixels")
    content_features: float = weight(0.0, "content over a backbone tap")
    style_features: float = weight(0.0, "style (Gram) over backbone taps")
    style_prior: float = weight(0.01, "the KL term of the style encoder")
    distillation: float = weight(10.0, "what a model of --from and the new one restyle differently")
    distilled_style: float = weight(2.0, "the same by Gram matrices of a backbone's features")
    distilled_codes: float = weight(1.0, "codes that a model of --from and the new one differ in")
    total_variation: float = weight(0.0, "total variation")
    plain: float = weight(0.0, "total variation where the content is plain")
    stability: float = weight(0.0, "the change that small changes of contents can make")
    stability_radius: float = option(
        0.008, "their largest change of a value, in units of brightness", above=0.0, high=1.0
    )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(AdversarialConfig):
    """How networks follow their gradients, and how a batch is used."""

    warm_up: int = option(0, "steps at the start that teach reconstruction alone", low=0)
    examples: float = option(0.5, "share of a batch restyled by examples", low=0.0, high=0.5)
    groups: int = option(
        1,
        "parts of a batch that are laid out on their own, at least one for each device; the same "
        "number gives the same training on any number of devices",
        low=1,
    )


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The fixed network whose features carry content, style and the feature discriminator."""

    backbone: str = option(
        "", "inception_resnet_v2 or vgg19_16x; empty: no backbone terms", metavar="NAME"
    )
    backbone_weights: str = option(
        "culture",
        "its weights: culture (inception_resnet_v2 only), random, imagenet or a path",
        metavar="WEIGHTS",
    )


# The figures that a checkpoint is chosen by, and whether more is better.
METRICS = {"named": True, "balanced": True, "content": False, "kid": False, "truth": False}
METRICS_HELP = (
    "named: the share named as the tradition that they are restyled into, by a classifier fitted "
    "to training pictures; content: distance to the content, which is least for a model that "
    "changes nothing; balanced: the share named, times 1 - half the distance; kid: KID to the "
    "artworks; truth: squared error to the true renderings (ornaments only)"
)
FEWEST = 2  # contents that have to be restyled into each culture, for KID


@dataclasses.dataclass(frozen=True)
class BestConfig:
    """Which checkpoint's averaged weights become the model."""

    keep_best: str = option(
        "none",
        f"keep the averaged weights of the best checkpoint, not the last, by: {METRICS_HELP}",
        ("none", *METRICS),
    )
    judged_contents: int = option(
        16,
        "held-out contents that --keep-best restyles into every culture at each checkpoint",
        low=FEWEST,
    )


@dataclasses.dataclass(frozen=True)
class WarmStartConfig:
    """The trained model that training begins from, and the cultures that the new model has."""

    from_: str = option(
        "",
        "begin from a trained model, whose sizes and cultures the new one has: a model folder, a "
        "run folder, or the name of a shipped model",
        metavar="MODEL",
    )
    cultures: str = option(
        "",
        "the new model's cultures in order, of those of --from and --data, with commas; a culture "
        "of --from that --data does not show is kept by distillation. Empty: all of both",
        metavar="A,B",
    )
    distilled: int = option(
        4, "contents of a batch that the old model and the new one both restyle", low=1
    )


@dataclasses.dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Everything that decides a run; saved in its run.json."""

    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    discriminator_losses: DiscriminatorLossConfig = DiscriminatorLossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    backbone: BackboneConfig = BackboneConfig()
    best: BestConfig = BestConfig()
    warm_start: WarmStartConfig = WarmStartConfig()

    @property
    def least_cultures(self) -> int:
        """One is enough beside those of the model that training begins from."""
        return 1 if self.warm_start.from_ else 2

    def checked(self, devices: int) -> "TrainConfig":
        """The settings with at least one group of a batch for each device; see `runs.RunConfig`."""
        bounded("--batch-size", self.data.batch_size, multiple_of=4)
        bounded("--image-size", self.data.image_size, low=8, multiple_of=8)
        optimizer = self.optimizer
        groups, rows = max(optimizer.groups, devices), self.data.batch_size
        if groups % devices:
            raise InputError(
                f"--groups is {groups} and has to be a multiple of the {devices} devices"
            )
        if rows % (4 * groups):
            raise InputError(
                f"--batch-size is {rows} and cannot be cut into --groups {groups} of a multiple of "
                f"4 pictures each; take a --batch-size that is a multiple of {4 * groups}"
            )
        if optimizer.warm_up and not self.losses.identity + self.losses.content_return:
            raise InputError(
                "--warm-up teaches to return pictures; --identity or --content-return is 0"
            )
        if not self.discriminator.trunk_width and not (
            self.backbone.backbone and self.discriminator.head_width
        ):
            raise InputError("--trunk-width 0 leaves no discriminator; name a --backbone for heads")
        parse_kinds(optimizer.augmentation)
        if self.best.keep_best == "truth" and (self.data.data != "ornaments" or self.data.content):
            raise InputError(
                "--keep-best truth compares with true renderings, which only --data ornaments "
                "without --content has; choose named, balanced, content or kid"
            )
        name = self.backbone.backbone
        if name in backbones.BACKBONES:
            least = backbones.BACKBONES[name].least_size
            if self.data.image_size < least:
                raise InputError(f"--image-size has to be at least {least} for the backbone {name}")
        grouped = dataclasses.replace(optimizer, groups=groups)
        return dataclasses.replace(self, optimizer=grouped)._of_start()

    def _of_start(self) -> "TrainConfig":
        """The settings with the sizes of the model of --from, where there is one."""
        start, groups = self.warm_start, self.optimizer.groups
        if start.cultures and not start.from_:
            raise InputError("--cultures chooses among cultures of a model; name it with --from")
        if not start.from_:
            return self
        if self.best.keep_best != "none":
            raise InputError(
                "--keep-best judges all cultures by pictures; leave it out with --from"
            )
        if start.distilled > self.data.batch_size or start.distilled % (2 * groups):
            raise InputError(
                f"--distilled is {start.distilled} and has to be a multiple of {2 * groups} and at "
                f"most the --batch-size {self.data.batch_size}"
            )
        sizes = models.culture_sizes(models.read(start.from_))
        if self.generator not in (sizes, *(known.generator for known, _ in PRESETS.values())):
            raise InputError(
                f"the new model has the sizes of {start.from_}; leave flags of the generator out"
            )
        return dataclasses.replace(self, generator=sizes)


SMOKE = TrainConfig(
    data=DataConfig(batch_size=4, mirror=False),
    generator=GeneratorConfig(width=64, blocks=1),
    discriminator=DiscriminatorConfig(trunk_width=16, trunk_layers=3),
    loop=LoopConfig(steps=12, log_interval=4, sample_interval=12, save_interval=4),
)
ORNAMENTS64 = TrainConfig(
    # Lattices stand at fixed places and frets turn one way, so crops are not mirrored.
    data=DataConfig(mirror=False),
    generator=GeneratorConfig(width=64, blocks=4),
    # A scene's colours are its content here, which `layout` holds; the backbone is left out:
    # its random features teach little at 64 px and would take half of the time.
    losses=LossConfig(cycle=8.0, diversity=0.1, layout=8.0),
    optimizer=OptimizerConfig(generator_rate=7e-4, discriminator_rate=1.5e-3, warm_up=200),
    loop=LoopConfig(steps=2600),
)
CULTURE128 = TrainConfig(
    data=DataConfig(image_size=128, batch_size=8, least_scale=0.3, content_share=0.75),
    losses=LossConfig(
        cycle=0.0,
        identity=2.0,
        content_return=6.0,
        diversity=0.5,
        content_features=2.0,
        style_features=0.1,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4,
        discriminator_rate=1e-3,
        warm_up=300,
        augmentation="translation,cutout",
    ),
    backbone=BackboneConfig(backbone="inception_resnet_v2"),
    loop=LoopConfig(steps=3000, sample_interval=250, save_interval=250),
)
# Discriminators see the backbone's features only, and at full strength the finest lines are the
# style's: with the content's lines, results stay tinted photographs. The model is for pictures of
# 256 px and more; many artworks have no more than 168, and are not enlarged.
CULTURE256 = TrainConfig(
    data=DataConfig(image_size=160, batch_size=8, least_scale=0.3, crop_draws=4, content_share=1.0),
    generator=GeneratorConfig(fade=True, smooth=True, lowpass=True, grain=True),
    discriminator=DiscriminatorConfig(trunk_width=0),
    losses=LossConfig(
        adversarial=0.0,
        cycle=0.0,
        identity=0.0,
        style_code=0.0,
        diversity=0.0,
        content_features=1.5,
        style_features=0.5,
        plain=20.0,
    ),
    discriminator_losses=DiscriminatorLossConfig(restyled=0.5, foreign=0.25, relabelled=0.25),
    optimizer=OptimizerConfig(
        generator_rate=6e-4, discriminator_rate=1e-3, warm_up=80, hinge=True, examples=0.25
    ),
    backbone=BackboneConfig(backbone="inception_resnet_v2"),
    loop=LoopConfig(steps=10000, sample_interval=500, save_interval=500),
)
# Begins from a trained model: the discriminators are new, the generator has to change little.
WARM_START = dataclasses.replace(
    CULTURE256,
    loop=LoopConfig(steps=950, sample_interval=250, save_interval=250),
    optimizer=dataclasses.replace(CULTURE256.optimizer, warm_up=0),
    warm_start=WarmStartConfig(from_="culture256"),
)
# The second network of the two-network form, with only content, style (Gram) and adversarial losses
# over VGG19.
ENCODER_DECODER = TrainConfig(
    data=DataConfig(image_size=128, batch_size=8, least_scale=0.3, content_share=1.0),
    generator=GeneratorConfig(smooth=True, lowpass=True),
    losses=LossConfig(
        feature_adversarial=0.5,
        feature_matching=1.0,
        cycle=0.0,
        identity=0.0,
        content_return=0.0,
        style_code=0.0,
        diversity=0.0,
        content_features=1.5,
        style_features=1.0,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4, discriminator_rate=1e-3, examples=0.25, augmentation="translation"
    ),
    backbone=BackboneConfig(backbone="vgg19", backbone_weights="imagenet"),
    loop=LoopConfig(steps=3000, sample_interval=250, save_interval=250),
)
PRESETS = {
    "ornaments64": (ORNAMENTS64, "about 10 minutes on 2 cores: rendered ornaments at 64 px"),
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "culture128": (CULTURE128, "about 1 hour on 2 cores: own pictures, crops of 128 px"),
    "encoder_decoder": (
        ENCODER_DECODER,
        "own pictures, crops of 128 px: content, style and adversarial losses over VGG19",
    ),
    "culture256": (CULTURE256, "about 2.5 hours on 2 cores: own pictures, crops of 160 px"),
    "warm_start": (
        WARM_START,
        "about 30 minutes on 2 cores: own pictures added to a trained model",
    ),
}
