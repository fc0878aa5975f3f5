"""What hostile input is made of."""

from __future__ import annotations

SCALARS = (
    "", "~", "null", "yes", "no", "on", "true", "false", "0", "1", "-1", "-0.0", "3", "1e300", "-1e300", "1e-300", "1e6", "1e9",
    ".nan", "nan", "NaN", ".inf", "-.inf", "inf", "012", "0o17", "0x1F", "0b11", "1_000", "1__0", "12:1", "1:30", "1:30:59",
    "190:20:30", "2001-01-01", "2001-13-45", "2001-12-14t21:59:43.10-25:00", "9" * 5000, "1" * 309, "2147483648",
    "4294967296", "9223372036854775808", "!!int abc", "!!int 5", "!!float x", "!!float nan", "!!bool x", "!!str 5", "!!null x",
    "!!timestamp x", "!!binary x", "!!set {a}", "!!omap [a]", "!unknown x", "!!python/object/apply:os.getcwd []", "[]", "[1]",
    "[[[]]]", "[1, 2, 3]", "[.nan]", "[null]", "{}", "{a: 1}", "{1: 2}", "{null: 1}", "{[a]: 1}", '""', '" "', '"\\n"', '"a\\nb"',
    '"../../x"', '"/etc/passwd"', '"/dev/null"', '"{Li}"', '"{"', '"%s"', '"<script>alert(1)</script>"', '"\\0"', '"\\x1b[31m"',
    '"$HOME"', '"`id`"', '"; id"', "'a b'", "класс", '"\\u202e"', '"\\ud800"', "lambda", "shell", "all", "*undefined", "&a [*a]",
    "&a {b: *a}", "|", ">", "? a", "1,5", "1.2.3", "1 2", "5%", "'5'", "=", "<<", "@x", "\t1", "- 1", "[1", '"', "{a: {b: {c: {d: {}}}}}",
    '"' + "x" * 100_000 + '"', "[" * 3000, "&a [x, x, x, x, x, x, x, x, x]",
)  # fmt: skip
"""Texts in the place of a YAML scalar."""

NUMBERS = (
    "nan", "inf", "-inf", "0", "-1", "1", "1e300", "-1e300", "1e-300", "1e6", "1e-6", "1e12", "0.5", "2", "999999999", "2147483648",
    "9223372036854775808", "9" * 5000, "012", "0x10", "1_0", "1:30", "1,5", "", " ", "one", "١", "True", "None", "1e", "-", "--",
)  # fmt: skip
"""Words in the place of a number on a command line."""

NAMES = (
    "", " ", ".", "..", "-x", "--", "a b", "a/b", "../../x", "/etc/passwd", "{Li}", "{", "%s", "$HOME", "`id`", "; id", "a\nb", "\x1b[31m",
    "<script>alert(1)</script>", "класс", "\u202e", "lambda", "shell", "none", "null", "x" * 300, "x" * 5000, "a'b", 'a"b', "a\\b", "*",
)  # fmt: skip
"""Words in the place of a name on a command line."""

_BOMB = "\n".join([f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(9)])
FILES = (
    b"", b"\n", b"# a comment\n", b"null\n", b"[]\n", b"- a\n", b"text\n", b"1\n", b"---\n---\n", b"a: 1\na: 2\n", b"1: 2\n", b"null: 1\n",
    b"? [a, b]\n: 1\n", b"sweep: &a [*a]\n", b"box: &a {chains: *a}\n", b"sweep:\n- &b {polymer: peo, eo_li: 12}\n- *b\n", b"<<: {a: 1}\n",
    b"<<: 5\n", _BOMB.encode(), b"box: !!python/object/apply:os.system ['true']\n", b"\xff\xfe\x00s\x00", "box: {chains: 4}\n".encode("utf-16"),
    b"\xef\xbb\xbfseed: 7\n", b"seed: 7\r\n", b"seed: \x00\n", b"\x80\x81\n", b"seed: 7\n\tbox: 1\n", b"box: [\n", b"box: {chains: 4\n",
    b"study: " + b"x" * 1_000_000 + b"\n", b"[" * 100_000, b"a:\n" + b" a:\n" * 50_000, b"{" * 5000 + b"}" * 5000, b"%YAML 9.9\n---\nseed: 7\n",
    b"%TAG ! x\n", b"seed: 7 # " + "é".encode() + b"\n", b"__use_yte__: true\nseed: 7\n", b"stages: {npt: null}\n", b"stages: {npt: {}}\n",
    b"stages: {nothing: {length_ns: 1}}\n", b"sweep: []\n", b"sweep: null\n", b"sweep: {polymer: peo}\n", b"sweep: [[{polymer: peo}]]\n",
)  # fmt: skip
"""Whole configuration files."""

JSON_VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1e300,
    float("nan"),
    float("inf"),
    10**30,
    2**31,
    0.5,
    "",
    "x",
    "1",
    [],
    [1],
    {},
    {"a": 1},
    [[]],
)
"""Values in the place of one in a JSON file."""

CELLS = ("", "nan", "inf", "-inf", "-1", "0", "1e300", "x", " ", "1,2", '"', "1;2", "None", "True")
"""Texts in the place of a cell of a CSV table."""
