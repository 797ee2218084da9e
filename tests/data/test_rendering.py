"""Rendering: same key, same pixels; the face in the middle; people keep their looks."""

import numpy as np
import pytest

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.camera import YAWS, draw_camera, project
from edgefer.data.synthetic.expressions import expanded
from edgefer.data.synthetic.head import head
from edgefer.data.synthetic.identity import identity
from edgefer.data.synthetic.mesh import Material, vertex_normals
from edgefer.data.synthetic.performance import stage
from edgefer.data.synthetic.rasterizer import rasterize
from edgefer.data.synthetic.render import CLOSED, render_view, render_views
from edgefer.data.synthetic.streams import stream

NEUTRAL, FRONT_VIEW, SIZE = EXPRESSIONS.index("neutral"), YAWS.index(0), 48
PEOPLE = range(400, 420)


def seen_materials(vertices, yaw: int, size: int = 192):
    """The material at every pixel of a head, -1 for none."""
    model, camera = head(), draw_camera(stream("test", 0), yaw, wild=False)
    x, y, depth = project(camera, model, vertices, size)
    triangle = rasterize(x, y, depth, model.triangles, size, CLOSED[model.material]).triangle
    return np.where(triangle >= 0, model.material[triangle].astype(int), -1)


def test_streams_are_what_they_were_on_every_numpy():
    assert stream("test", 1, 2).randint(0, 1000, 4).tolist() == [922, 394, 989, 502]
    assert stream("test", 1, 2).random_sample() != stream("test", 2, 1).random_sample()
    assert stream("other", 1, 2).random_sample() != stream("test", 1, 2).random_sample()


def test_the_same_key_gives_the_same_pixels():
    first = render_view(stage(400, 3, True, "hand"), 1, SIZE)
    identity.cache_clear()
    assert np.array_equal(render_view(stage(400, 3, True, "hand"), 1, SIZE), first)


@pytest.mark.parametrize("other", [(401, 3, True, "none"), (400, 2, True, "none"), (400, 3, False, "none")])
def test_another_key_gives_another_picture(other):
    first = render_view(stage(400, 3, True, "none"), FRONT_VIEW, SIZE).astype(int)
    assert np.abs(render_view(stage(*other), FRONT_VIEW, SIZE) - first).mean() > 2


def test_five_views_of_one_performance():
    views = render_views(stage(400, 5, False, "none"), SIZE)
    assert views.shape == (5, SIZE, SIZE, 3) and views.dtype == np.uint8
    assert 40 < views.mean() < 200 and views.std() > 25


@pytest.mark.parametrize("yaw", YAWS)
def test_the_face_is_in_the_middle_from_every_side(yaw):
    model = head()
    for number in PEOPLE:
        camera = draw_camera(stream("test", number), yaw, wild=False)
        x, y, _ = project(camera, model, identity(number).vertices, 100)
        for place in (x[model.front], y[model.front]):
            assert 40 < (place.min() + place.max()) / 2 < 60
            assert place.min() > -8 and place.max() < 108


CLOSED_LIPS = {
    "rest": {},
    "pressed": {"mouthPress*": 0.9, "mouthRollLower": 0.35, "mouthRollUpper": 0.25, "mouthShrugLower": 0.25},
    "smiling": {"mouthSmile*": 1.0, "mouthDimple*": 0.2},
}


@pytest.mark.parametrize("yaw", [-45, 0, 45])
@pytest.mark.parametrize("lips", CLOSED_LIPS)
def test_no_teeth_show_through_closed_lips(lips, yaw):
    offsets = head().units(expanded(CLOSED_LIPS[lips]))
    for number in PEOPLE:
        seen = seen_materials(identity(number).vertices + offsets, yaw)
        behind_a_slit = np.isin(seen, [Material.TEETH, Material.TONGUE]).sum()
        assert behind_a_slit <= 32, f"{behind_a_slit} of 192 x 192 pixels of {number}"


def test_open_jaws_show_teeth():
    model, person = head(), identity(400)
    laughing = person.vertices + model.units(
        {"jawOpen": 0.4, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.6}
    )
    assert (seen_materials(laughing, 0) == Material.TEETH).sum() > 50


def test_blinking_hides_the_eyes_and_opening_shows_them():
    model = head()
    for number in PEOPLE:
        rest = identity(number).vertices
        eyes = {
            unit: (
                seen_materials(rest + model.units({f"{unit}Left": 1, f"{unit}Right": 1}), 0) == Material.EYE
            ).sum()
            for unit in ("eyeBlink", "eyeSquint", "eyeWide")
        }
        assert eyes["eyeBlink"] < 0.15 * eyes["eyeWide"], number
        assert eyes["eyeSquint"] < eyes["eyeWide"], number


def test_spectacles_belong_to_the_person():
    wearers = [number for number in range(60) if identity(number).looks.spectacles]
    assert 1 <= len(wearers) <= 20
    shapes = [
        stage(wearers[0], expression, wild, "none").colors[Material.FRAME].tolist()
        for expression, wild in ((0, False), (3, False), (6, True))
    ]
    assert shapes[0] == shapes[1] == shapes[2]


@pytest.mark.parametrize(("occlusion", "material"), [("sunglasses", 5), ("mask", 7), ("hand", 8)])
def test_occluders_are_in_the_scene(occlusion, material):
    assert (stage(402, NEUTRAL, True, occlusion).mesh.material == material).any()
    assert not (stage(402, NEUTRAL, True, "none").mesh.material == material).any()


def test_a_patch_is_laid_over_the_picture():
    free, covered = (
        render_view(stage(402, NEUTRAL, True, kind), FRONT_VIEW, 64) for kind in ("none", "patch")
    )
    changed = (np.abs(free.astype(int) - covered) > 40).any(-1).mean()
    assert 0.02 < changed < 0.5


def test_the_nose_is_open_to_the_light_and_the_mouth_is_not():
    model = head()
    skin = np.unique(model.skin)
    tip = skin[np.argmax(model.base[skin, 2])]
    assert model.openness[tip] > 0.8
    assert model.openness[model.vertices_of(Material.TONGUE)].mean() < 0.4


def test_macro_targets_blend():
    model = head()
    even = {"african": 1 / 3, "asian": 1 / 3, "caucasian": 1 / 3}
    middle = model.macro(even, 0.5, 0.5, 0.5, 0.5)
    ends = (model.macro(even, 0.0, 0.5, 0.5, 0.5) + model.macro(even, 1.0, 0.5, 0.5, 0.5)) / 2
    np.testing.assert_allclose(middle, ends, atol=1e-5)


def test_normals_point_out_of_the_skull():
    model = head()
    normals = vertex_normals(model.base, model.skin)
    skull = np.unique(model.skin[(model.base[:, 1] > 7.7)[model.skin].all(1)])
    outwards = model.base[skull] - np.array([0, 7.4, 0.4])
    assert (np.einsum("ij,ij->i", normals[skull], outwards) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals[skull], axis=1), 1, atol=1e-5)
