"""Faces in a camera's frame: where they are, and the crop of each that a network takes."""

from __future__ import annotations

from edgefer_runtime.faces.blazeface import BlazeFace
from edgefer_runtime.faces.crop import crop_face
from edgefer_runtime.faces.detection import Detection, FaceDetector

__all__ = ["BlazeFace", "Detection", "FaceDetector", "crop_face"]
