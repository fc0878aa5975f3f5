"""Pictures of a system: whole molecules, a PDB file, coloured bodies, and their orthographic rendering."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from eoli.core.arrays import Floats, Indices, Singles
from eoli.core.compiled import compiled
from eoli.errors import DataError
from eoli.topology.description import SystemDescription
from eoli.trajectory.reader import make_whole

CHAIN_IDS = {"polymer": "P", "cation": "C", "anion": "A", "solvent": "S"}
"""PDB chain ID by kind of molecule."""

_SUPERSAMPLING = 2
_TO_VIEWER = np.array([0, 0, 1], dtype=np.float32)
_TO_LIGHT = np.array([-0.35, 0.45, 0.82], dtype=np.float32)


@dataclass(frozen=True)
class Style:
    """Look of a group of sites: colour, radii of spheres and sticks, nm."""

    colour: str
    sphere_nm: float
    stick_nm: float


STYLES = {
    "PEO": Style("#D32F2F", 0.085, 0.055),
    "PA": Style("#1F6FC4", 0.085, 0.055),
    "other": Style("#7A7A7A", 0.085, 0.055),
    "Li": Style("#FFC107", 0.13, 0.055),
    "anion": Style("#D6D6D6", 0.045, 0.03),
}
"""By group of sites: polymer blocks, other polymer sites, lithium, anions. Red and blue as in Ma 2022."""


@dataclass(frozen=True)
class Bodies:
    """Spheres and open cylinders: axes from `starts` to `ends` (n, 3), nm, radii (n,), nm, RGB `colours` (n, 3).

    A body that starts where it ends is a sphere.
    """

    starts: Floats
    ends: Floats
    radii: Floats
    colours: Floats

    def __add__(self, other: Bodies) -> Bodies:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Bodies(*(np.concatenate(pair) for pair in pairs))

    def scaled(self, factor: float) -> Bodies:
        """The same bodies, thicker or thinner."""
        return replace(self, radii=factor * self.radii)


@dataclass(frozen=True)
class View:
    """An orthographic camera: its target, nm; the rotation of the scene (3, 3); half the width seen, nm; pixels.

    Colours fade towards white by 0 at `near_nm` in front of the centre and by the share `fade` at `far_nm` behind it.
    """

    centre: Floats
    rotation: Floats
    half_width_nm: float
    pixels: int
    near_nm: float
    far_nm: float
    fade: float = 0.72


def rgb(colour: str) -> Floats:
    """A colour `#rrggbb` as three numbers from 0 to 1."""
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255


def groups_of_sites(system: SystemDescription) -> npt.NDArray[np.str_]:
    """The name in `STYLES` of each site, (sites,)."""
    names: list[str] = []
    for entry in system.molecules:
        of_kind = {"cation": "Li", "anion": "anion"}.get(entry.molecule.kind)
        one = [of_kind or (site.block if site.block in STYLES else "other") for site in entry.molecule.sites]
        names += [name or "other" for name in one] * entry.count
    return np.array(names)


def whole_molecules(system: SystemDescription, positions: Floats, box: Floats) -> Floats:
    """Positions (sites, 3), nm, of molecules made whole along their bonds, each with its centre of mass in the box.

    Every bond is its minimum image in the box of edges `box` (3,). Raises DataError where the bonds of a molecule do
    not connect its sites.
    """
    placed = make_whole(system, positions, box)
    for molecule, sites in system.parts():
        masses = np.array([site.mass for site in molecule.sites])
        centres = np.einsum("s,msk->mk", masses / masses.sum(), placed[sites])
        placed[sites] -= (box * np.floor(centres / box))[:, None]
    return placed


def _element(mass: float) -> str:
    """Symbol, in capitals, of the element or carbon with hydrogens of the nearest mass."""
    # a slow import
    from MDAnalysis.guesser.tables import masses as ELEMENT_MASSES

    carbons = {n: ELEMENT_MASSES["C"] + n * ELEMENT_MASSES["H"] for n in range(5)}
    table = [(of, symbol.upper()) for symbol, of in ELEMENT_MASSES.items()] + [(of, "C") for of in carbons.values()]
    return str(min(table, key=lambda row: abs(row[0] - mass))[1])


def pdb_text(system: SystemDescription, positions: Floats, box: Floats, title: str) -> str:
    """A PDB file of positions (sites, 3) in a box of edges `box` (3,), nm.

    Chains are the kinds of molecules (`CHAIN_IDS`); united atoms are carbons; virtual sites have no element; residue names may have four letters. Site
    and residue numbers wrap at 100,000 and 10,000, as in GROMACS. Raises DataError for a coordinate too large for the
    format.
    """
    angstrom = 10 * positions
    if not ((angstrom > -999.9995) & (angstrom < 9999.9995)).all():
        raise DataError(f"{title}: a coordinate does not fit into a PDB file")
    a, b, c = 10 * box
    lines = [f"TITLE     {title[:70]}", f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{90:7.2f}{90:7.2f}{90:7.2f} P 1           1"]
    number = residue_offset = 0
    for entry in system.molecules:
        sites = entry.molecule.sites
        chain = CHAIN_IDS[entry.molecule.kind]
        record = "ATOM  " if entry.molecule.kind == "polymer" else "HETATM"
        elements = [_element(site.mass) if site.mass else "" for site in sites]
        for _ in range(entry.count):
            for site, element in zip(sites, elements, strict=True):
                x, y, z = angstrom[number]
                number += 1
                # a name starts in the second column unless it needs all four or its element has two letters
                name = site.name[:4] if len(site.name) > 3 or len(element) > 1 else f" {site.name}"
                lines.append(
                    f"{record}{number % 100000:5d} {name:<4s} {site.residue[:4]:<4s}{chain}"
                    f"{(residue_offset + site.residue_number) % 10000:4d}    {x:z8.3f}{y:z8.3f}{z:z8.3f}"
                    f"{1:6.2f}{0:6.2f}          {element:>2s}"
                )
            residue_offset += sites[-1].residue_number
    return "\n".join([*lines, "END"]) + "\n"


def spheres(centres: Floats, radii: npt.ArrayLike, colours: npt.ArrayLike) -> Bodies:
    """Spheres at `centres` (n, 3); one radius or (n,), one colour or (n, 3)."""
    n = len(centres)
    return Bodies(
        centres, centres, np.broadcast_to(radii, n).astype(float), np.broadcast_to(colours, (n, 3)).astype(float)
    )


def tubes(points: Floats, radius_nm: float, colours: npt.ArrayLike) -> Bodies:
    """A tube with round joints through `points` (n, 3); one colour or (n, 3), the colour of a piece that of its end."""
    of_points = spheres(points, radius_nm, colours)
    return of_points + Bodies(points[:-1], points[1:], of_points.radii[1:], of_points.colours[1:])


def balls_and_sticks(
    positions: Floats, box: Floats, bonds: Indices, colours: Floats, sphere_nm: Floats, stick_nm: Floats,
    only: npt.NDArray[np.bool_],
) -> Bodies:  # fmt: skip
    """Sites `only` (sites,) with the bonds (n, 2) between them; each half of a bond has the colour of its site.

    Positions (sites, 3) are drawn wrapped: bonds that cross the boundary of the box (3,) are left out. Colours are
    (sites, 3), radii (sites,).
    """
    inside = (np.abs(positions[bonds[:, 1]] - positions[bonds[:, 0]]) < box / 2).all(axis=1)
    bonds = bonds[inside & only[bonds].all(axis=1)]
    middle = positions[bonds].mean(axis=1)
    first, second = (Bodies(positions[end], middle, stick_nm[end], colours[end]) for end in bonds.T)
    return spheres(positions[only], sphere_nm[only], colours[only]) + first + second


def matter(system: SystemDescription, positions: Floats, box: Floats, only: npt.NDArray[np.bool_]) -> Bodies:
    """Sites `only` (sites,) as balls and sticks in the styles of their groups, at wrapped `positions`."""
    names, group = np.unique(groups_of_sites(system), return_inverse=True)
    styles = [STYLES[name] for name in names]
    colours = np.array([rgb(style.colour) for style in styles])[group]
    sphere = np.array([style.sphere_nm for style in styles])[group]
    stick = np.array([style.stick_nm for style in styles])[group]
    return balls_and_sticks(positions, box, system.bonds(), colours, sphere, stick, only)


def box_edges(box: Floats, radius_nm: float, colour: str) -> Bodies:
    """The twelve edges of a box (3,), nm, that starts at the origin."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    first, second = np.array([(m, n) for m in range(8) for n in range(m) if abs(corners[m] - corners[n]).sum() == 1]).T
    colours = np.broadcast_to(rgb(colour), (12, 3))
    lines = Bodies(corners[first] * box, corners[second] * box, np.full(12, radius_nm), colours)
    return lines + spheres(corners * box, radius_nm, rgb(colour))


def rotation(turn_deg: float, tilt_deg: float) -> Floats:
    """Rotation of the scene, (3, 3): by `turn_deg` about the vertical axis, then by `tilt_deg` towards the viewer."""
    turn, tilt = np.radians([turn_deg, tilt_deg])
    about_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return np.asarray(about_x @ about_y)


@compiled()
def _draw(starts: Floats, ends: Floats, radii: Floats, depth: Singles, normals: Singles, owner: npt.NDArray[np.int32]) -> None:  # fmt: skip
    """Frontmost body of each pixel; x and y of the bodies are in pixels to the right and downwards, z to the viewer."""
    height, width = depth.shape
    for n in range(len(starts)):
        ax, ay, az = starts[n]
        ux, uy, uz = ends[n, 0] - ax, ends[n, 1] - ay, ends[n, 2] - az
        length, r = np.sqrt(ux * ux + uy * uy + uz * uz), radii[n]
        if length > 0:
            ux, uy, uz = ux / length, uy / length, uz / length
        across = 1 - uz * uz
        left, right = min(ax, ends[n, 0]) - r, max(ax, ends[n, 0]) + r
        top, bottom = min(ay, ends[n, 1]) - r, max(ay, ends[n, 1]) + r
        for row in range(max(0, int(top)), min(height, int(bottom) + 2)):
            for column in range(max(0, int(left)), min(width, int(right) + 2)):
                dx, dy = column + 0.5 - ax, row + 0.5 - ay
                along = dx * ux + dy * uy
                if length == 0:
                    root = r * r - dx * dx - dy * dy
                    z = np.sqrt(root) if root > 0 else np.nan
                    t = 0.0
                else:
                    root = along * along * uz * uz - across * (dx * dx + dy * dy - along * along - r * r)
                    z = (along * uz + np.sqrt(root)) / across if root > 0 and across > 1e-9 else np.nan
                    t = along + z * uz
                if 0 <= t <= length and az + z > depth[row, column]:
                    depth[row, column], owner[row, column] = az + z, n
                    normals[row, column, 0] = (dx - t * ux) / r
                    normals[row, column, 1] = (dy - t * uy) / r
                    normals[row, column, 2] = (z - t * uz) / r


def render(bodies: Bodies, view: View) -> Singles:
    """Picture (pixels, pixels, 4) of red, green, blue, and coverage, from 0 to 1; the uncovered part is white.

    Each pixel shows the frontmost body, lit from the upper left. Places deeper than their surroundings are darker
    (Luft, Colditz, Deussen, ACM Trans. Graph. 25, 1206, 2006, doi 10.1145/1141911.1142016), and depth steps are
    outlined.
    """
    size = _SUPERSAMPLING * view.pixels
    scale = size / (2 * view.half_width_nm)

    def on_screen(points: Floats) -> Floats:
        turned = (points - view.centre) @ view.rotation.T * scale
        return np.ascontiguousarray(turned * [1, -1, 1] + [size / 2, size / 2, 0])

    depth = np.full((size, size), -np.inf, dtype=np.float32)
    normals, owner = np.zeros((size, size, 3), dtype=np.float32), np.full((size, size), -1, dtype=np.int32)
    _draw(on_screen(bodies.starts), on_screen(bodies.ends), bodies.radii * scale, depth, normals, owner)
    covered = owner >= 0
    normal = normals[covered] * np.array([1, -1, 1], dtype=np.float32)
    # a floor behind the deepest body, so that the rim of the matter counts as a depth step
    known = np.where(covered, depth, np.min(depth, initial=0, where=covered) - 0.2 * scale)
    light = 0.50 + 0.55 * np.clip(normal @ _TO_LIGHT, 0, None)
    halfway = (_TO_LIGHT + _TO_VIEWER) / np.linalg.norm(_TO_LIGHT + _TO_VIEWER)
    highlight = 0.22 * np.clip(normal @ halfway, 0, None) ** 40
    # two square means approximate a Gaussian, at a cost independent of its width
    widths = [int(width_nm * scale) for width_nm in (0.15, 0.6)]
    blurred = sum(ndimage.uniform_filter(ndimage.uniform_filter(known, width), width) for width in widths) / 2
    shadow = np.exp(-np.clip((blurred - known)[covered] / scale, 0, 1.5) * 1.3)
    step = (ndimage.maximum_filter(known, 3) - known)[covered] / scale
    outline = 1 - 0.45 * np.clip(step / 0.15, 0, 1)
    lit = bodies.colours.astype(np.float32)[owner[covered]] * (light * shadow * outline)[:, None] + highlight[:, None]
    behind = (view.near_nm - depth[covered] / scale) / (view.near_nm + view.far_nm)
    fade = view.fade * np.clip(behind, 0, 1)[:, None]
    picture = np.ones((size, size, 4), dtype=np.float32)
    picture[..., 3] = covered
    picture[covered, :3] = np.clip(lit, 0, 1) * (1 - fade) + fade
    blocks = picture.reshape(view.pixels, _SUPERSAMPLING, view.pixels, _SUPERSAMPLING, 4)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


def on_top(picture: Singles, above: Singles, halo_pixels: int) -> Singles:
    """A rendered picture laid over another, with a white halo."""
    covered = above[..., 3:]
    halo = ndimage.maximum_filter(covered, (2 * halo_pixels + 1, 2 * halo_pixels + 1, 1))
    result = picture.copy()
    result[..., :3] = result[..., :3] * (1 - 0.85 * halo) + 0.85 * halo
    # uncovered samples are white and already averaged in: subtract their share before blending
    result[..., :3] = result[..., :3] * (1 - covered) + above[..., :3] - (1 - covered)
    result[..., :3] = np.clip(result[..., :3], 0, 1)
    result[..., 3:] = np.maximum(result[..., 3:], covered)
    return result
