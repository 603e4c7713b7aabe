"""The names and the lie of the land of practice-houses."""

from __future__ import annotations

from typing import Any

# name, share of sales, log price level, elasticity to area, km to the centre, typical year and its spread, wealth, old
_TABLE = """
Abbey Gate     4   0.20  0.95   0.6  1905  22   0.6  1
Old Harbour    3   0.12  0.60   0.9  1910  20   0.1  1
Market Square  3   0.28  0.85   0.3  1900  25   0.9  1
Tanners Row    4  -0.14  0.45   1.1  1915  18  -0.8  1
Canal Side     4   0.02  0.55   1.4  1922  16  -0.2  1
Station Road   5  -0.20  0.50   1.6  1928  14  -0.7  0
Mill Lane      5  -0.12  0.55   2.1  1935  14  -0.5  0
Kings Park     5   0.22  0.90   2.4  1938  12   0.9  0
Fairfield      6   0.00  0.65   2.9  1950  10   0.0  0
Brickworks     5  -0.26  0.40   3.0  1952   9  -1.0  0
Elm Grove      6   0.04  0.70   3.4  1956   8   0.2  0
Sandpit        4  -0.16  0.45   3.8  1958   8  -0.7  0
North Field    8  -0.02  0.60   4.3  1963   7  -0.1  0
Orchard Hill   5   0.16  0.85   4.6  1968   7   0.7  0
West Lea       6  -0.04  0.60   5.2  1972   6  -0.2  0
Quarry View    4  -0.12  0.45   5.6  1975   6  -0.5  0
Birch Wood     6   0.05  0.70   6.0  1980   6   0.3  0
South Mead     7  -0.03  0.60   6.5  1987   6   0.0  0
Heron Lake     4   0.30  1.00   7.2  1994   5   1.3  0
Stone Ridge    4   0.26  0.95   7.9  1998   4   1.2  0
College Green  7   0.06  0.70   5.9  1999   4   0.4  0
Summer Fields  7   0.03  0.65   8.6  2003   3   0.3  0
Far Meadow     5  -0.06  0.55   9.8  2005   2   0.0  0
Windmill End   1  -0.10  0.50  11.5  1990   9  -0.3  0
"""

_COLUMNS = ("name", "share", "base", "elasticity", "km", "year", "spread", "wealth", "old")


def _rows() -> list[dict[str, Any]]:
    rows = []
    for line in _TABLE.strip().splitlines():
        name, *numbers = line.rsplit(maxsplit=8)
        rows.append(dict(zip(_COLUMNS, (name, *map(float, numbers)), strict=True)))
    return rows


NEIGHBOURHOODS = _rows()
AGENCIES = (3, 7, 12, 15, 21, 28, 33, 40, 58, 77, 104, 230)
RARE_LEVELS = {"Heating": "solar", "Roof": "shed", "Cladding": "stone", "SaleType": "gift"}
STREETS = tuple(
    f"{name} {kind}" for name in ("Oak", "Ash", "Mill", "Church", "Bridge", "High") for kind in ("St", "Ave")
)
