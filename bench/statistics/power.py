"""The smallest p value that n pairs can give: below it no test can find anything."""

from __future__ import annotations


def smallest_p(pairs: int) -> float:
    """Smallest two-sided p of an exact paired test.

    Of the 2^n ways to give n differences their signs, the most extreme are the two in which all
    agree, so p >= 2 / 2^n for the sign-flip test and for Wilcoxon's signed ranks alike. A paired
    t test has no such bound from two pairs on; it pays for it by assuming normal differences.

    Examples
    --------
    >>> smallest_p(3), smallest_p(6)
    (0.25, 0.03125)
    """
    return 1.0 if pairs < 1 else 2.0 ** (1 - pairs)


def pairs_needed(alpha: float = 0.05) -> int:
    """The fewest pairs with which an exact paired test can be significant at `alpha`.

    Raises
    ------
    ValueError
        No number of pairs is enough, as `alpha` is not above 0.

    Examples
    --------
    >>> pairs_needed(0.05)
    6
    """
    if alpha <= 0:
        raise ValueError(f"Expected a level alpha above 0, but got {alpha}.")
    pairs = 1
    while smallest_p(pairs) > alpha:
        pairs += 1
    return pairs


def verdict(pairs: int, alpha: float = 0.05) -> str:
    """Whether `pairs` pairs can be significant at `alpha`, in words.

    Examples
    --------
    >>> verdict(3)
    'cannot be significant: p >= 0.25 with 3 pairs, 6 are needed for 0.05'
    """
    least = smallest_p(pairs)
    if least > alpha:
        return (
            f"cannot be significant: p >= {least:.3g} with {pairs} pairs, "
            f"{pairs_needed(alpha)} are needed for {alpha:g}"
        )
    return f"can be significant: p >= {least:.3g} with {pairs} pairs"
