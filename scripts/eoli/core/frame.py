"""Tables of pandas that say which columns they have."""

from __future__ import annotations

from typing import Any

import pandas as pd

from eoli.core.text import did_you_mean
from eoli.errors import UnknownName


class Frame(pd.DataFrame):
    """A data frame whose error for a column that is none names those that it has; what is made from it is a plain one."""

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except UnknownName:
            raise
        except KeyError:
            columns = [str(column) for column in self.columns]
            asked = key if isinstance(key, list | tuple) else [key]
            missing = next((str(name) for name in asked if name not in self.columns), str(key))
            near = did_you_mean(missing, columns)
            raise UnknownName(f"column {missing!r} is not allowed{near}; allowed: {', '.join(columns)}") from None
