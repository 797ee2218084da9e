"""FCSDNet: what its paper says about it."""

from edgefer.models.spec import Counts, InputSizes, ModelSpec, PublishedRow
from edgefer_runtime.contract import InputContract

FCSDNET = ModelSpec(
    name="fcsdnet",
    title="FCSDNet",
    paper="Long: Efficient DenseNet Model with Fusion of Channel and Spatial Attention for Facial "
    "Expression Recognition, 2024",
    variants=("max-ceil", "avg-ceil", "max-floor", "avg-floor"),
    default_variant="max-ceil",
    contract=InputContract(100, 100, "RGB", (127.5,) * 3, (127.5,) * 3),
    published_parameters=4_274_365,
    published_convention="parameters without those of batch normalisations",
    module="edgefer.models.fcsdnet",
    sizes=InputSizes(29),
    variant_sizes={"max-ceil": InputSizes(3), "avg-ceil": InputSizes(3)},
    counts={
        "max-ceil": Counts(4_284_105, 4_293_845, 314_149_524),
        "avg-ceil": Counts(4_284_105, 4_293_845, 314_149_524),
        "max-floor": Counts(4_284_105, 4_293_845, 255_375_706),
        "avg-floor": Counts(4_284_105, 4_293_845, 255_375_706),
    },
    published=(
        PublishedRow("official split", "usable", {"RAF-DB": 83.18}),
        PublishedRow(
            "mean of five folds",
            "leaked",
            {"JAFFE": 100.00, "CK+": 100.00, "OULU-CASIA": 100.00, "KDEF": 99.94},
            "the author's public script trains on copies of the fold it tests; folds share subjects",
        ),
    ),
)
