"""What a culture run may be told: weights of the losses, optimisers, backbone."""

import dataclasses

from stylegan_culture.config import InputError, option
from stylegan_culture.features.backbones import BACKBONES
from stylegan_culture.networks.discriminator import DiscriminatorConfig
from stylegan_culture.networks.generator import GeneratorConfig
from stylegan_culture.pipelines.input import DataConfig
from stylegan_culture.training.augment import parse_kinds
from stylegan_culture.training.culture.keep_best import BestConfig
from stylegan_culture.training.loop import LoopConfig


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the generator's losses and of the discriminators' own; 0 leaves one out."""

    adversarial: float = option(1.0, "weight of the picture discriminator's verdict")
    feature_adversarial: float = option(1.0, "weight of the verdict on backbone features")
    feature_matching: float = option(
        0.0,
        "weight of the discriminators' own features that restyled pictures share with real ones",
    )
    cycle: float = option(4.0, "weight of contents recovered from restyled pictures")
    identity: float = option(4.0, "weight of style pictures recovered by their own code")
    content_return: float = option(4.0, "weight of contents returned at strength 0")
    style_code: float = option(1.0, "weight of style codes recovered from restyled pictures")
    diversity: float = option(1.0, "weight of the difference between two codes of a culture")
    layout: float = option(0.0, "weight of the contents' colours in squares of 8 pixels")
    content_features: float = option(0.0, "weight of content over a backbone tap")
    style_features: float = option(0.0, "weight of style (Gram) over backbone taps")
    style_prior: float = option(0.01, "weight of the KL term of the style encoder")
    total_variation: float = option(0.0, "weight of total variation")
    plain: float = option(0.0, "weight of total variation where the content is plain")
    stability: float = option(0.0, "weight of the change that small changes of contents can make")
    stability_radius: float = option(0.008, "their largest change of a value, above 0 to 1")
    restyled: float = option(1.0, "weight of restyled pictures in the discriminators' loss")
    foreign: float = option(1.0, "weight in it of contents of other cultures")
    relabelled: float = option(0.0, "weight in it of style pictures called another culture's")
    r1: float = option(1.0, "weight of the gradient penalty on real pictures")
    r1_interval: int = option(16, "steps between gradient penalties")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How networks follow their gradients."""

    generator_rate: float = option(4e-4, "generator's learning rate (Adam)")
    discriminator_rate: float = option(4e-4, "discriminators' learning rate (Adam)")
    warm_up: int = option(0, "steps at the start that teach reconstruction alone")
    momentum: float = option(0.5, "first-moment decay of Adam, 0 to 1")
    decay_from: float = option(0.6, "share of the run after which both rates fall linearly to 0")
    average: float = option(0.998, "decay of the weight average (EMA) that is shown and exported")
    hinge: bool = option(False, "hinge losses of the discriminators instead of logistic ones")
    examples: float = option(0.5, "share of a batch restyled by encoded examples, 0 to 0.5")
    groups: int = option(
        1,
        "parts of a batch that are laid out on their own, at least one for each device; the same "
        "number gives the same training on any number of devices",
    )
    augmentation: str = option("cutout", "DiffAugment: any of translation,cutout,colour")


@dataclasses.dataclass(frozen=True)
class BackboneConfig:
    """The fixed network whose features carry content, style and the feature discriminator."""

    backbone: str = option("", "inception_resnet_v2 or vgg19_16x; empty: no backbone terms")
    backbone_weights: str = option(
        "culture", "its weights: culture (inception_resnet_v2 only), random, imagenet or a path"
    )


def check_values(config) -> None:
    """Raises `InputError` for settings of a culture run that cannot be trained with.

    `config` has the groups data, generator, losses, optimizer, backbone and loop.
    """
    multiples = (
        ("--batch-size", config.data.batch_size, 4),
        ("--image-size", config.data.image_size, 8),
        ("--width", config.generator.width, 64),
        ("--steps", config.loop.steps, 1),
        ("--log-interval", config.loop.log_interval, 1),
        ("--sample-interval", config.loop.sample_interval, 1),
        ("--save-interval", config.loop.save_interval, 1),
        ("--r1-interval", config.losses.r1_interval, 1),
    )
    for flag, value, unit in multiples:
        if value < 1 or value % unit:
            what = "at least 1" if unit == 1 else f"a multiple of {unit}"
            raise InputError(f"{flag} is {value} and has to be {what}")
    groups, rows = config.optimizer.groups, config.data.batch_size
    if groups < 1 or rows % (4 * groups):
        raise InputError(
            f"--batch-size is {rows} and cannot be cut into --groups {groups} of a multiple of 4 "
            f"pictures each; take a --batch-size that is a multiple of {4 * max(groups, 1)}"
        )
    if not 0.0 <= config.optimizer.examples <= 0.5:
        raise InputError("--examples has to lie between 0 and 0.5")
    if config.optimizer.warm_up and not config.losses.identity + config.losses.content_return:
        raise InputError(
            "--warm-up teaches to return pictures; --identity or --content-return is 0"
        )
    if config.losses.stability < 0.0 or not 0.0 < config.losses.stability_radius <= 1.0:
        raise InputError("--stability has to be at least 0, and --stability-radius above 0 to 1")
    if not config.discriminator.trunk_width and not (
        config.backbone.backbone and config.discriminator.head_width
    ):
        raise InputError("--trunk-width 0 leaves no discriminator; name a --backbone for heads")
    try:
        parse_kinds(config.optimizer.augmentation)
    except ValueError as error:
        raise InputError(f"--augmentation: {error}") from None
    name = config.backbone.backbone
    if name in BACKBONES and config.data.image_size < BACKBONES[name].least_size:
        least = BACKBONES[name].least_size
        raise InputError(f"--image-size has to be at least {least} for the backbone {name}")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a run; saved in its run.json."""

    data: DataConfig = DataConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    losses: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    backbone: BackboneConfig = BackboneConfig()
    loop: LoopConfig = LoopConfig()
    best: BestConfig = BestConfig()
    precision: str = option(
        "auto", "mixed_bfloat16 where the processor has it", ("auto", "float32", "mixed_bfloat16")
    )
    deterministic: bool = option(False, "the same weights bit for bit on every run; slower")


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
# Only the backbone's features are judged, and at full strength the finest lines are the style's
# own: with the content's in the way, traditions stay tinted photographs. The model is for pictures
# of 256 px and more; many artworks have no more than 168, and are not enlarged.
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
        restyled=0.5,
        foreign=0.25,
        relabelled=0.25,
    ),
    optimizer=OptimizerConfig(
        generator_rate=6e-4, discriminator_rate=1e-3, warm_up=80, hinge=True, examples=0.25
    ),
    backbone=BackboneConfig(backbone="inception_resnet_v2"),
    loop=LoopConfig(steps=10000, sample_interval=500, save_interval=500),
)
# The second network of the two-network form: content, style (Gram) and adversarial losses over
# VGG19 and nothing else that holds the picture together.
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
    "smoke": (SMOKE, "under a minute: shows that everything runs, teaches nothing"),
    "ornaments64": (ORNAMENTS64, "about 10 minutes on 2 cores: rendered ornaments at 64 px"),
    "culture128": (CULTURE128, "about 1 hour on 2 cores: own pictures, crops of 128 px"),
    "encoder_decoder": (
        ENCODER_DECODER,
        "own pictures, crops of 128 px: content, style and adversarial losses over VGG19",
    ),
    "culture256": (CULTURE256, "about 2.5 hours on 2 cores: own pictures, crops of 160 px"),
}
