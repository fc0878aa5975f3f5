"""Solvents of others beside our polymer and salt: small files of the GROMOS kind, by hand."""

from __future__ import annotations

from pathlib import Path

NITRILE = """\
[ moleculetype ]
{name} 3
[ atoms ]
1 {m} 1 {name} C1 1 0.13 15.035
2 {c} 1 {name} C2 1 0.15 12.011
3 {n} 1 {name} N3 1 -0.28 14.0067
[ bonds ]
1 2 2 0.1478 5.0e6
2 3 2 0.1157 2.0e7
[ angles ]
1 2 3 2 180.0 640.0
"""
"""Acetonitrile of three united atoms, with types to be filled in."""
TYPES = {"XM": (0.0103, 2.9e-5), "XC": (0.0025, 5.1e-6), "XN": (0.0026, 2.7e-6)}
"""C6 and C12 of types that no other file has."""
LISTED = ("XM XN", 0.0051, 9.9e-6)
"""A pair that is not the geometric mean of its types."""
MASSES = {"XM": (6, 15.035), "XC": (6, 12.011), "XN": (7, 14.0067)}


def as_rule(numbers: tuple[float, float], rule: int) -> str:
    """C6 and C12 as a file of a combination rule has them."""
    c6, c12 = numbers
    return f"{c6:.10g} {c12:.10g}" if rule == 1 else f"{(c12 / c6) ** (1 / 6):.10g} {c6**2 / (4 * c12):.10g}"


def forcefield(rule: int, defaults: str = "no 1.0 1.0") -> str:
    """The force field of the nitrile with types of its own."""
    rows = [f"{name} {MASSES[name][0]} {MASSES[name][1]} 0.0 A {as_rule(lj, rule)}" for name, lj in TYPES.items()]
    names, *lj = LISTED
    pair = f"[ nonbond_params ]\n{names} 1 {as_rule((lj[0], lj[1]), rule)}\n"
    return "\n".join([f"[ defaults ]\n1 {rule} {defaults}", "[ atomtypes ]", *rows, pair])


def nitrile(m: str = "XM", c: str = "XC", n: str = "XN", name: str = "ACN") -> str:
    """The molecule type."""
    return NITRILE.format(m=m, c=c, n=n, name=name)


def entry(blocks: Path, text: str, said: str = "", name: str = "nitrile", molecule: str = "ACN") -> None:
    """Write a topology and its entry as a solvent into a folder of building blocks."""
    (blocks / "beside").mkdir(exist_ok=True)
    (blocks / f"beside/{name}.itp").write_text(text)
    lines = [
        f"solvent: {name}", f"topology: beside/{name}.itp", f"molecule: {molecule}", 'description: "CH3CN, three united atoms"',
        said or "atoms: 3\nmass_g_mol: 41.053\nroles: {solvent_N: name N3}",
        "density_g_cm3: {value: 0.78, temperature_K: 298.15, source: idealmixing}",
    ]  # fmt: skip
    (blocks / f"solvents/{name}.yaml").write_text("\n".join(lines) + "\n")
