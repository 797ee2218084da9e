"""PAtt-Lite: what its paper says about it."""

from edgefer.models.spec import Counts, InputSizes, ModelSpec, PublishedRow
from edgefer_runtime.contract import InputContract

ACROSS_BATCH = "attention runs across the batch, and the test batches are sorted by class"

PATTLITE = ModelSpec(
    name="pattlite",
    title="PAtt-Lite",
    paper="Ngwe, Lim, Lee, Ong: PAtt-Lite: Lightweight Patch and Attention MobileNet for Challenging "
    "Facial Expression Recognition, 2023",
    variants=("head", "none", "patch", "feat", "head-qkv", "batch"),
    default_variant="head",
    contract=InputContract(224, 224, "RGB", (127.5,) * 3, (127.5,) * 3),
    published_parameters=1_102_664,
    published_convention="Keras total: trainable parameters and moving statistics",
    module="edgefer.models.pattlite",
    sizes=InputSizes(81),
    counts={
        "head": Counts(1_093_000, 1_102_664, 336_811_232),
        "none": Counts(1_092_999, 1_102_663, 336_786_656),
        "patch": Counts(1_093_000, 1_102_664, 336_786_656),
        "feat": Counts(1_093_000, 1_102_664, 336_786_656),
        "head-qkv": Counts(1_096_167, 1_105_831, 336_823_520),
        "batch": Counts(1_093_000, 1_102_664, 336_786_656),
    },
    research_variants={"batch": "its module 'attention' mixes the faces of a batch"},
    published=(
        PublishedRow(
            "MobileNetV1 only",
            "usable",
            {"CK+": 99.90, "RAF-DB": 85.17, "FER2013": 68.54, "FERPlus": 82.88},
        ),
        PublishedRow(
            "patch block, no attention",
            "usable",
            {"CK+": 100.00, "RAF-DB": 81.10, "FER2013": 61.52, "FERPlus": 77.72},
        ),
        PublishedRow(
            "attention, no patch block",
            "leaked",
            {"CK+": 100.00, "RAF-DB": 91.00, "FER2013": 83.00, "FERPlus": 90.71},
            ACROSS_BATCH,
        ),
        PublishedRow(
            "patch block and attention",
            "leaked",
            {
                **{"CK+": 100.00, "RAF-DB": 95.05, "FER2013": 92.50, "FERPlus": 95.55},
                **{"RAF-DB occlusion": 92.23, "RAF-DB pose > 30": 95.35, "RAF-DB pose > 45": 94.44},
                **{"FERPlus occlusion": 93.22, "FERPlus pose > 30": 96.07, "FERPlus pose > 45": 92.58},
            },
            ACROSS_BATCH,
        ),
    ),
)
