"""The exceptions of EOLI: mistakes of a user (exit code 2) and failures of a run (exit code 1)."""


class EoliError(Exception):
    """Base of every error that EOLI raises on purpose; its text is one line for a person."""

    exit_code = 1


class InputError(EoliError, ValueError):
    """A configuration, building block or argument is wrong; nothing was started."""

    exit_code = 2


class UnknownName(InputError, KeyError):
    """A name that a mapping or a table does not have."""

    def __str__(self) -> str:
        # a KeyError shows the text in quotes
        return str(self.args[0])


class ForceFieldError(InputError):
    """A building block or the force field lacks or contradicts something."""


class ToolError(EoliError, RuntimeError):
    """An external program (GROMACS, PACKMOL) is missing or failed."""


class RunError(EoliError, RuntimeError):
    """A simulation failed, is physically broken, or did not reach its end."""


class DataError(EoliError, ValueError):
    """A trajectory, energy file or table cannot be analysed."""
