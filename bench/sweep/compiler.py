"""The server of runs made ready, by the import of this module before all others there.

The first function that numba compiles, or loads as it was compiled before, costs a quarter of a
second more than those after it. The server from which runs are forked pays it once for all. What
it imports stays: looking for garbage among that less often takes a fifth off its start.
"""

import gc

import numba

gc.set_threshold(10_000)
numba.njit("int64(int64)")(lambda number: number)
