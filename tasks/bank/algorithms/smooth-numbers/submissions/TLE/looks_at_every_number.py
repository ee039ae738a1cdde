a, b, d, m = map(int, input().split())
used = 0
for number in range(a, b + 1):
    digits = list(map(int, str(number)))
    if sum(digits) % m == 0:
        used += all(abs(x - y) <= d for x, y in zip(digits, digits[1:]))
print(used)
