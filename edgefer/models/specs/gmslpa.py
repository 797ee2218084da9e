"""GMS-LPA: what its paper says about it."""

from edgefer.models.spec import Counts, InputSizes, ModelSpec, PublishedRow
from edgefer.models.specs import IMAGENET_MEAN, IMAGENET_STD
from edgefer_runtime.contract import InputContract

GMSLPA = ModelSpec(
    name="gmslpa",
    title="GMS-LPA",
    paper="Liu, Liu, Chen, Zhou: Deep Global Multiple-Scale and Local Patches Attention Dual-Branch Network "
    "for Pose-Invariant Facial Expression Recognition, 2023",
    variants=("full", "shared-patch", "resnet18", "resnet18-shared"),
    default_variant="full",
    contract=InputContract(224, 224, "RGB", IMAGENET_MEAN, IMAGENET_STD),
    published_parameters=66_400_000,
    published_convention="not said, printed as 66.4 M; ours is the reading that follows the text literally, "
    "and the paper's counts of its branches (28.6 M and 41.2 M) fit no reading",
    module="edgefer.models.gmslpa",
    sizes=InputSizes(25, multiple=4, reduction=8),
    variant_sizes=dict.fromkeys(("resnet18", "resnet18-shared"), InputSizes(9, multiple=2, reduction=8)),
    counts={
        "full": Counts(66_820_478, 66_968_830, 5_615_731_200),
        "shared-patch": Counts(27_424_922, 27_499_546, 5_615_731_200),
        "resnet18": Counts(50_211_710, 50_255_102, 3_637_571_072),
        "resnet18-shared": Counts(18_731_162, 18_751_514, 3_637_571_072),
    },
    published=(
        PublishedRow(
            "GMS-LPA",
            "usable",
            {
                **{"BU-3DFE P1": 78.23, "BU-3DFE P1 pose 0": 78.32, "BU-3DFE P1 pose 30": 78.08},
                **{"BU-3DFE P1 pose 45": 78.82, "BU-3DFE P1 pose 60": 77.59, "BU-3DFE P1 pose 90": 78.38},
                "BU-3DFE P2": 82.24,
                **{"Multi-PIE": 87.02, "Multi-PIE pose 0": 88.65, "Multi-PIE pose 15": 88.78},
                **{"Multi-PIE pose 30": 89.56, "Multi-PIE pose 45": 87.50, "Multi-PIE pose 60": 86.90},
                **{"Multi-PIE pose 75": 84.49, "Multi-PIE pose 90": 83.32},
                **{"RAF-DB": 86.58, "RAF-DB pose > 30": 87.18, "RAF-DB pose > 45": 86.65},
                **{"AffectNet pose > 30": 60.31, "AffectNet pose > 45": 60.92},
            },
        ),
        PublishedRow(
            "GMS-LPA, full AffectNet",
            "doubtful",
            {"AffectNet-7": 56.96},
            "below both of its own pose subsets, which are harder as a rule",
        ),
        PublishedRow(
            "GMS beside plain stages",
            "usable",
            {
                **{"BU-3DFE P1": 76.27, "BU-3DFE P2": 80.41, "Multi-PIE": 85.12},
                **{"RAF-DB pose > 30": 84.91, "RAF-DB pose > 45": 83.67},
                **{"AffectNet pose > 30": 57.13, "AffectNet pose > 45": 57.87},
            },
        ),
        PublishedRow(
            "LPA beside plain stages",
            "usable",
            {
                **{"BU-3DFE P1": 77.76, "BU-3DFE P2": 81.52, "Multi-PIE": 86.54},
                **{"RAF-DB pose > 30": 86.62, "RAF-DB pose > 45": 85.62},
                **{"AffectNet pose > 30": 59.71, "AffectNet pose > 45": 59.83},
            },
        ),
        PublishedRow("GMS alone", "usable", {"BU-3DFE P1": 76.12, "Multi-PIE": 85.02}),
        PublishedRow("LPA alone", "usable", {"BU-3DFE P1": 77.28, "Multi-PIE": 85.79}),
        PublishedRow(
            "ResNet-18 form", "usable", {"BU-3DFE P1": 77.20, "BU-3DFE P2": 81.24, "Multi-PIE": 86.05}
        ),
        PublishedRow(
            "ResNet-34 form", "usable", {"BU-3DFE P1": 77.49, "BU-3DFE P2": 81.90, "Multi-PIE": 86.44}
        ),
        PublishedRow(
            "ResNet-50",
            "usable",
            {
                **{"BU-3DFE P1": 75.54, "BU-3DFE P2": 79.73, "Multi-PIE": 84.14},
                **{"AffectNet pose > 30": 56.76, "AffectNet pose > 45": 56.97},
            },
        ),
        PublishedRow(
            "ResNet-50, RAF-DB",
            "doubtful",
            {"RAF-DB pose > 30": 84.04, "RAF-DB pose > 45": 83.15},
            "equal to what RAN printed for a ResNet-18",
        ),
    ),
)
