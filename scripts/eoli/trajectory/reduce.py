"""The core pass: decode each needed frame of a trajectory once, into the arrays that every analysis reads."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from eoli.core.arrays import Indices, Singles
from eoli.core.files import sha256, whole
from eoli.errors import DataError
from eoli.study.criteria import ReduceCriteria
from eoli.topology.description import SystemDescription, read_description
from eoli.topology.selections import binding_sites, ether_torsions, pair_groups
from eoli.topology.species import Species, species_of
from eoli.trajectory import kernels
from eoli.trajectory.reader import Trajectory, chunks, masses_beyond, open_trajectory, spanning_tree, stride_of
from eoli.trajectory.sizes import SLOTS
from eoli.trajectory.store import CADENCES, CENTRES, create, seal

Arrays = dict[str, npt.NDArray[Any]]
Unsigned = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]
"""Pairs by block, partner and bin."""

_BLOCKS = 10
_CHUNK = 64
# Bond lengths of a run vary by some percent; even coordinates that crossed the box many times stay within this.
_BOND_FACTORS = (0.5, 2.0)
_REACH_EDGES = 1000
_PARTS = 4
"""Parts per process: if the machine slows one process, the others take over its remaining parts."""


@dataclass(frozen=True)
class _Molecules:
    """Molecules (M, S) of a type, their masses (S,), and a spanning tree of their bonds (S - 1,) with its weights.

    Indices are unsigned, so that compiled code need not handle negative ones.
    """

    sites: Unsigned
    masses: Singles
    parents: Unsigned
    children: Unsigned
    weights: Singles


def _molecules(species: Species) -> _Molecules:
    parents, children = spanning_tree(len(species.masses), species.bonds)
    weights = masses_beyond(parents, children, species.masses) / species.masses.sum()
    return _Molecules(
        species.sites.astype(np.uint32), species.masses.astype(np.float32), parents.astype(np.uint32),
        children.astype(np.uint32), weights.astype(np.float32),
    )  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """All that a pass over some frames needs, in any process."""

    trajectory: Trajectory
    strides: dict[str, int]
    lithium: Indices
    sites: dict[str, Indices]
    molecules: dict[str, tuple[_Molecules, ...]]
    binding: Indices
    groups: dict[str, tuple[Indices, dict[str, Indices]]]
    torsions: Indices
    bonds: Indices
    lengths_nm: Singles
    range_nm: float
    bin_nm: float
    contact_range_nm: float
    slots: int

    @property
    def n_blocks(self) -> int:
        return min(_BLOCKS, self.frames_of("structure"))

    def frames_of(self, cadence: str) -> int:
        return len(range(0, self.trajectory.n_frames, self.strides[cadence]))


@dataclass(frozen=True)
class _Place:
    """Byte position in the file of an array over frames."""

    offset: int
    row_bytes: int


def _motion(job: _Job, positions: Singles, boxes: Singles) -> Arrays:
    arrays: Arrays = {"motion/box": boxes}
    if len(job.lithium):
        arrays["motion/lithium"] = kernels.wrapped(positions, boxes, job.lithium)
    for name, types in job.molecules.items():
        centres = [kernels.centres_of_mass(positions, boxes, m.sites, m.parents, m.children, m.weights) for m in types]
        arrays[f"motion/{name}"] = np.concatenate(centres, axis=1)
    if len(job.lithium) and len(job.binding):
        arrays["motion/neighbours"], arrays["motion/distances"] = kernels.nearest(
            positions, boxes, job.lithium, job.binding, np.float32(job.contact_range_nm), job.slots
        )
    return arrays


def _structure(job: _Job, positions: Singles, boxes: Singles) -> Arrays:
    arrays: Arrays = {
        f"structure/{name}": kernels.wrapped(positions, boxes, sites) for name, sites in job.sites.items()
    }
    if "chains" in job.molecules:
        shapes = [
            kernels.chain_shapes(positions, boxes, m.sites, m.parents, m.children, m.masses)
            for m in job.molecules["chains"]
        ]
        radii, ends = zip(*shapes, strict=True)
        arrays["structure/radius_of_gyration"] = np.concatenate(radii, axis=1)
        arrays["structure/end_to_end"] = np.concatenate(ends, axis=1)
    if len(job.torsions):
        arrays["structure/torsions"] = np.arctan2(*kernels.torsions(positions, boxes, job.torsions))
    return arrays


def _slow(job: _Job, positions: Singles, boxes: Singles) -> Arrays:
    return {
        "slow/box": boxes,
        "slow/positions": kernels.wrapped(positions, boxes, np.arange(job.trajectory.n_sites)),
    }


_ARRAYS_OF: dict[str, Callable[[_Job, Singles, Singles], Arrays]] = {
    "motion": _motion,
    "structure": _structure,
    "slow": _slow,
}


@dataclass
class _Found:
    """Sums of a pass over some frames: boxes (n, 3) of its structure frames, and pair counts by first group.

    `full`: a list of neighbours has no free slot.
    """

    boxes: list[Singles]
    pairs: dict[str, Counts]
    full: bool = False


def _count(job: _Job, positions: Singles, boxes: Singles, blocks: Indices, pairs: dict[str, Counts]) -> None:
    per_nm = np.float32(1 / job.bin_nm)
    reach = int(np.sqrt(3) / 2 * boxes.max() * per_nm) + 2
    for name, (first, partners) in job.groups.items():
        counts = pairs.get(name, np.zeros((job.n_blocks, len(partners), 0), dtype=np.int64))
        if counts.shape[2] < reach:
            # some spare bins, or a slowly growing box would ask again and again
            counts = np.pad(counts, ((0, 0), (0, 0), (0, reach + reach // 10 - counts.shape[2])))
        starts = np.cumsum([0, *(len(sites) for sites in partners.values())])
        second = np.concatenate(list(partners.values()))
        kernels.count_pairs(positions, boxes, first, second, starts, per_nm, blocks, counts)
        pairs[name] = counts


def _write(file: int, values: npt.NDArray[Any], offset: int) -> None:
    """Write an array into an open file. Raises OSError when the disk is full."""
    data = np.ascontiguousarray(values)
    if os.pwrite(file, data.data, offset) < data.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def check_frames(
    path: Path, indices: Indices, positions: Singles, boxes: Singles, bonds: Indices, lengths_nm: Singles
) -> None:
    """Raise DataError for frames that are readable but not of this system: flipped bits, other sites.

    `indices` (F,) number the frames in the file `path`; `positions` (F, sites, 3) and `boxes` (F, 3) in nm; `bonds` (B,
    2) are sites, `lengths_nm` (B,) their force-field lengths.
    """
    least, most = (np.float32(factor) * lengths_nm for factor in _BOND_FACTORS)
    frame, bond = kernels.first_flaw(positions, boxes, bonds, least, most, np.float32(_REACH_EDGES))
    if frame < 0:
        return
    what = {
        -1: f"has coordinates more than {_REACH_EDGES} edges from the box",
        -2: "has the coordinates of the one before",
    }
    if bond >= 0:
        i, j = bonds[bond]
        what[bond] = (
            f"is not of this system: the bonded sites {i + 1} and {j + 1} are not {lengths_nm[bond]:.3f} nm apart"
        )
    raise DataError(f"{path}: frame {indices[frame]} {what[bond]}")


def _reduce_frames(job: _Job, places: Mapping[str, _Place], out: Path, indices: Indices) -> _Found:
    """Reduce some frames: write their rows of every array into the file, return what is summed over frames."""
    found = _Found([], {})
    with out.open("r+b", buffering=0) as file:
        for chunk, positions, exact in chunks(job.trajectory, indices, _CHUNK):
            boxes = exact.astype(np.float32)
            check_frames(job.trajectory.path, chunk, positions, boxes, job.bonds, job.lengths_nm)
            for cadence, stride in job.strides.items():
                used = chunk % stride == 0
                rows = chunk[used] // stride
                if not len(rows):
                    continue
                x, edges = (positions, boxes) if used.all() else (positions[used], boxes[used])
                for name, values in _ARRAYS_OF[cadence](job, x, edges).items():
                    _write(file.fileno(), values, places[name].offset + int(rows[0]) * places[name].row_bytes)
                    found.full |= name == "motion/distances" and kernels.is_full(values)
                if cadence == "structure":
                    _count(job, x, edges, rows * job.n_blocks // job.frames_of(cadence), found.pairs)
                    found.boxes.append(edges)
    return found


def _create(job: _Job, out: Path) -> dict[str, _Place]:
    """Create the file with room for all arrays over frames; returns where each of them lies.

    The arrays are contiguous, so that each process writes its own rows without HDF5.
    """
    trajectory = job.trajectory
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    places = {}
    _, positions, edges = next(iter(chunks(trajectory, np.array([0]))))
    intervals = {cadence: stride * trajectory.frame_interval_ps for cadence, stride in job.strides.items()}
    with create(out, trajectory.n_sites, trajectory.length_ps, intervals) as file:
        path = trajectory.path
        file.attrs.update(
            {"trajectory": path.name, "trajectory_bytes": path.stat().st_size, "trajectory_sha256": sha256(path)}
        )
        for cadence in CADENCES:
            n_frames = job.frames_of(cadence)
            file[cadence].attrs["frames"] = n_frames
            for name, values in _ARRAYS_OF[cadence](job, positions, edges.astype(np.float32)).items():
                data = file.create_dataset(
                    name, (n_frames, *values.shape[1:]), values.dtype, dcpl=early.copy(), fill_time="never"
                )
                places[name] = _Place(data.id.get_offset(), values.nbytes)
        if "motion/neighbours" in file:
            file["motion/neighbours"].attrs["range_nm"] = job.contact_range_nm
    return places


def _write_structure(job: _Job, out: Path, found: list[_Found]) -> None:
    """Add what is summed over frames.

    Raises DataError if the smallest box has no room for a bin.
    """
    boxes = np.concatenate([piece for part in found for piece in part.boxes]).astype(np.float64)
    block_of = np.arange(len(boxes)) * job.n_blocks // len(boxes)
    block_frames = np.bincount(block_of)
    # Beyond half the box the minimum image misses pairs: those bins are dropped for all frames.
    n_bins = int(min(job.range_nm, boxes.min() / 2) / job.bin_nm + 1e-9)
    if job.groups and n_bins < 1:
        raise DataError(f"{job.trajectory.path}: the box is too small for a g(r) with bins of {job.bin_nm:g} nm")
    kinds = [
        (first, second, len(sites), len(others) - (first == second))
        for first, (sites, partners) in job.groups.items()
        for second, others in partners.items()
    ]
    with h5py.File(out, "r+") as file:
        group = file["structure"]
        group["block_frames"] = block_frames
        group["block_inverse_volumes"] = np.bincount(block_of, 1 / boxes.prod(axis=1))
        if kinds:
            parts = [
                [part.pairs[first][:, :, :n_bins] for part in found if first in part.pairs] for first in job.groups
            ]
            pairs = np.concatenate([np.sum(part, axis=0) for part in parts], axis=1)
            first, second, n_first, n_second = map(list, zip(*kinds, strict=True))
            # a site in both groups counts as its own pair
            itself = np.equal(first, second)
            pairs[:, itself, 0] -= block_frames[:, None] * np.array(n_first)[itself]
            group["pair_counts"] = pairs
            group["pair_counts"].attrs.update(
                {
                    "kinds": [f"{first}_{second}" for first, second, *_ in kinds],
                    "first": first,
                    "second": second,
                    "n_first": n_first,
                    "n_second": n_second,
                    "bin_nm": job.bin_nm,
                }
            )


def _strides(frame_interval_ps: float, intervals_ps: Mapping[str, float]) -> dict[str, int]:
    strides = {cadence: stride_of(frame_interval_ps, intervals_ps[cadence]) for cadence in CADENCES}
    of_motion = stride_of(strides["motion"], strides["structure"])
    return strides | {"structure": of_motion * strides["motion"]}


def _job(
    trajectory: Trajectory, system: SystemDescription, intervals_ps: Mapping[str, float], range_nm: float, bin_nm: float,
    contact_range_nm: float, slots: int,
) -> _Job:  # fmt: skip
    sites = {"fluorine": system.with_role("anion_F"), "ether_oxygen": system.with_role("ether_O")}
    species = species_of(system)
    return _Job(
        trajectory,
        _strides(trajectory.frame_interval_ps, intervals_ps),
        system.with_role("Li"),
        {name: indices for name, indices in sites.items() if len(indices)},
        {CENTRES[family]: tuple(map(_molecules, of)) for family, of in species.items() if family in CENTRES},
        binding_sites(system),
        {first: (system.with_role(first), partners) for first, partners in pair_groups(system).items()},
        ether_torsions(system),
        system.bonds(),
        system.bond_lengths_nm().astype(np.float32),
        range_nm, bin_nm, contact_range_nm, slots,
    )  # fmt: skip


def _with_room(job: _Job, indices: Indices) -> _Job:
    """The job with slots for all neighbours in a sample of frames, so that a pass seldom has to be repeated."""
    if not len(job.lithium) or not len(job.binding):
        return job
    some = np.unique(indices[np.linspace(0, len(indices) - 1, _CHUNK).astype(np.int64)])
    for _, positions, exact in chunks(job.trajectory, some, _CHUNK):
        sites, _ = kernels.all_within(
            positions, exact.astype(np.float32), job.lithium, job.binding, job.contact_range_nm, job.slots
        )
        job = replace(job, slots=sites.shape[2])
    return job


def _reduce(job: _Job, indices: Indices, out: Path, processes: int) -> list[_Found]:
    """One pass: arrays over frames go into a new file, what is summed over frames is returned."""
    part = partial(_reduce_frames, job, _create(job, out), out)
    # all start at once
    processes = min(processes, len(indices), os.cpu_count() or 1)
    if processes == 1:
        return [part(indices)]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(part, np.array_split(indices, min(_PARTS * processes, len(indices)))))


def reduce_trajectory(
    trajectory: Path, description: Path, criteria: ReduceCriteria, out: Path, contact_range_nm: float = 0.5,
    slots: int = SLOTS, processes: int = 1,
) -> None:  # fmt: skip
    """Reduce a trajectory to the arrays of `store.ARRAYS`.

    Intervals are rounded to whole frames, that of structure to the nearest whole multiple of motion's (at least one).
    Frames that no cadence needs are not decoded. Memory does not grow with the number of frames. The processes, at most
    one per core, share the frames with bit-identical results. All binding sites within `contact_range_nm` of each
    lithium are kept, in at least `slots` slots. Raises DataError, and leaves no file, as `open_trajectory` and `chunks`
    do, for a frame that cannot be one of the system (bonds, coordinates), and for a box smaller than two bins.
    """
    system = read_description(description)
    intervals = {
        "motion": criteria.motion_interval_ps, "structure": criteria.structure_interval_ps,
        "slow": criteria.slow_interval_ps,
    }  # fmt: skip
    opened = open_trajectory(trajectory, system.n_sites, criteria.frame_interval_ps, criteria.length_ps)
    job = _job(opened, system, intervals, criteria.rdf_range_nm, criteria.rdf_bin_nm, contact_range_nm, slots)
    every = np.arange(opened.n_frames)
    needed = every[np.any([every % stride == 0 for stride in job.strides.values()], axis=0)]
    with whole(out) as temporary:
        job = _with_room(job, needed)
        found = _reduce(job, needed, temporary, processes)
        while any(piece.full for piece in found):
            job = replace(job, slots=kernels.more_slots(job.slots))
            found = _reduce(job, needed, temporary, processes)
        _write_structure(job, temporary, found)
        seal(temporary, system)
