from functools import cache

a, b, d, m = map(int, input().split())


@cache
def endings(length, last, remainder):
    """How many ways there are to write `length` more digits after `last`, the sum so far given."""
    if length == 0:
        return remainder == 0
    return sum(
        endings(length - 1, digit, (remainder + digit) % m)
        for digit in range(max(0, last - d), min(9, last + d) + 1)
    )


def up_to(limit):
    """How many numbers from 1 to `limit` are used."""
    digits = list(map(int, str(limit)))
    count = sum(
        endings(length - 1, first, first % m)
        for length in range(1, len(digits))
        for first in range(1, 10)
    )
    last, total = None, 0
    for position, digit in enumerate(digits):
        for smaller in range(0 if position else 1, digit):
            if last is None or abs(smaller - last) <= d:
                count += endings(len(digits) - position - 1, smaller, (total + smaller) % m)
        if last is not None and abs(digit - last) > d:
            return count
        last, total = digit, total + digit
    return count + (total % m == 0)


print(up_to(b) - (up_to(a - 1) if a > 1 else 0))
