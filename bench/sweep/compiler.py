"""The compiler made ready, by the import of this module.

The first function that numba compiles, or loads as it was compiled before, costs a quarter of a
second more than those after it. The server from which runs are forked pays it once for all.
"""

import numba

numba.njit("int64(int64)")(lambda number: number)
