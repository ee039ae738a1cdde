from functools import cache

a, b, d, m = map(int, input().split())


def up_to(limit):
    digits = list(map(int, str(limit)))

    @cache
    def count(position, last, remainder, tight):
        if position == len(digits):
            return remainder == 0
        top = digits[position] if tight else 9
        return sum(
            count(position + 1, digit, (remainder + digit) % m, tight and digit == top)
            for digit in range(top + 1)
            if last is None or abs(digit - last) <= d
        )

    return count(0, None, 0, True)


print(up_to(b) - up_to(a - 1))
