"""DSAN: what its paper says about it."""

from edgefer.models.spec import Counts, ModelSpec, PublishedRow
from edgefer.models.specs import IMAGENET_MEAN, IMAGENET_STD
from edgefer_runtime.contract import InputContract

DSAN = ModelSpec(
    name="dsan",
    title="DSAN",
    paper="Tang, Li, Jin: A dual stream attention network for facial expression recognition in the wild, "
    "2024",
    variants=("full",),
    default_variant="full",
    contract=InputContract(224, 224, "RGB", IMAGENET_MEAN, IMAGENET_STD),
    published_parameters=11_330_000,
    published_convention="trainable parameters without the losses' class centres, printed as 11.33 M",
    module="edgefer.models.dsan",
    counts={
        "full": Counts(11_327_506, 11_337_490, 1_813_711_104),
    },
    output="probabilities",
    published=(
        PublishedRow(
            "DSAN",
            "usable",
            {
                **{"RAF-DB": 89.70, "FERPlus": 89.93, "AffectNet-7": 65.77, "AffectNet-8": 62.13},
                "RAF-DB mean per class": 82.57,
                **{"RAF-DB occlusion": 85.31, "RAF-DB pose > 30": 89.57, "RAF-DB pose > 45": 89.43},
                **{"FERPlus occlusion": 86.61, "FERPlus pose > 30": 89.83, "FERPlus pose > 45": 89.42},
                **{"AffectNet occlusion": 62.66, "AffectNet pose > 30": 60.80, "AffectNet pose > 45": 61.32},
            },
        ),
        PublishedRow(
            "ResNet-18",
            "usable",
            {
                **{"RAF-DB": 86.93, "FERPlus": 86.96, "AffectNet-7": 63.57, "AffectNet-8": 58.52},
                "RAF-DB mean per class": 79.14,
            },
        ),
        PublishedRow("ResNet-18, max pooling", "usable", {"RAF-DB": 87.68}),
        PublishedRow("GFE", "usable", {"RAF-DB": 89.35}),
        PublishedRow("GFE without sparse attention", "usable", {"RAF-DB": 88.53}),
        PublishedRow("MFF", "usable", {"RAF-DB": 88.72}),
        PublishedRow("MFF without local attention", "usable", {"RAF-DB": 88.56}),
        PublishedRow("both branches, no attention", "usable", {"RAF-DB": 88.92}),
        PublishedRow("both branches without sparse attention", "usable", {"RAF-DB": 89.18}),
        PublishedRow("both branches without local attention", "usable", {"RAF-DB": 89.54}),
        PublishedRow("GFE, cross-entropy", "usable", {"RAF-DB": 88.53}),
        PublishedRow("GFE, centre loss", "usable", {"RAF-DB": 88.85}),
        PublishedRow("GFE, island loss", "usable", {"RAF-DB": 88.96}),
        PublishedRow("GFE, recalibrated cross-entropy", "usable", {"RAF-DB": 88.72}),
        PublishedRow("GFE, recalibrated cross-entropy and centre loss", "usable", {"RAF-DB": 89.18}),
    ),
)
