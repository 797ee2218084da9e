"""LANMSFF: what its paper says about it."""

from edgefer.models.spec import Counts, InputSizes, ModelSpec, PublishedRow
from edgefer_runtime.contract import InputContract

SELECTED = "in the authors' notebook the reported fold also stops training and lowers the learning rate"

LANMSFF = ModelSpec(
    name="lanmsff",
    title="LANMSFF",
    paper="Ezati, Dezyani, Rana, Rajabi, Ayatollahi: A Lightweight Attention-based Deep Network via "
    "Multi-Scale Feature Fusion for Multi-View Facial Expression Recognition, 2024",
    variants=("full", "no-pwfs", "no-massatt", "plain"),
    default_variant="full",
    contract=InputContract(64, 64, "GRAY", (0.0,), (255.0,)),
    published_parameters=358_406,
    published_convention="Keras total: trainable parameters and moving statistics",
    module="edgefer.models.lanmsff",
    sizes=InputSizes(16),
    counts={
        "full": Counts(356_294, 358_406, 300_586_476),
        "no-pwfs": Counts(357_302, 359_414, 300_587_484),
        "no-massatt": Counts(349_417, 351_529, 300_550_980),
        "plain": Counts(350_425, 352_537, 300_551_988),
    },
    published=(
        PublishedRow(
            "whole model",
            "usable",
            {
                **{"KDEF": 90.77, "KDEF pose -90": 89.44, "KDEF pose -45": 91.18, "KDEF pose 0": 92.04},
                **{"KDEF pose 45": 91.00, "KDEF pose 90": 90.17},
                **{"FER2013": 70.44, "FER2013 pose > 30": 69.15, "FER2013 pose > 45": 66.82},
                **{"FERPlus": 86.96, "FERPlus pose > 30": 86.92, "FERPlus pose > 45": 84.68},
            },
            SELECTED,
        ),
        PublishedRow(
            "without PWFS",
            "usable",
            {
                **{"KDEF": 91.24, "KDEF pose -90": 89.85, "KDEF pose -45": 91.28, "KDEF pose 0": 92.05},
                **{"KDEF pose 45": 92.84, "KDEF pose 90": 90.16},
            },
            SELECTED,
        ),
        PublishedRow(
            "without MassAtt",
            "usable",
            {
                **{"KDEF": 90.83, "KDEF pose -90": 87.59, "KDEF pose -45": 91.59, "KDEF pose 0": 92.15},
                **{"KDEF pose 45": 92.43, "KDEF pose 90": 90.38},
            },
            SELECTED,
        ),
        PublishedRow(
            "without PWFS and MassAtt",
            "usable",
            {
                **{"KDEF": 90.58, "KDEF pose -90": 89.14, "KDEF pose -45": 90.57, "KDEF pose 0": 91.75},
                **{"KDEF pose 45": 92.53, "KDEF pose 90": 88.93},
            },
            SELECTED,
        ),
    ),
)
