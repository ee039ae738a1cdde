import sys
from math import sqrt

lines = sys.stdin.read().splitlines()
n, m, w = map(int, lines[0].split())

variants, since = {}, {}
for line in lines[1 : n + 1]:
    user, variant, time = line.split()
    variants.setdefault(user, set()).add(variant)
    since[user] = min(int(time), since.get(user, int(time)))

converted = set()
for line in lines[n + 1 : n + m + 1]:
    user, time = line.split()
    if user in since and since[user] <= int(time) <= since[user] + w:
        converted.add(user)

size, wins = {}, {}
for name in "AB":
    group = {user for user, seen in variants.items() if seen == {name}}
    size[name], wins[name] = len(group), len(group & converted)
    print(size[name], wins[name])

na, nb, xa, xb = size["A"], size["B"], wins["A"], wins["B"]
if na == 0 or nb == 0:
    print("0 0 0")
else:
    pa, pb = xa / na, xb / nb
    pooled = (xa + xb) / (na + nb)
    z = 0.0
    if 0 < xa + xb < na + nb:
        z = (pb - pa) / sqrt(pooled * (1 - pooled) * (1 / na + 1 / nb))
    half = 1.96 * sqrt(pa * (1 - pa) / na + pb * (1 - pb) / nb)
    print(f"{z:.9f} {pb - pa - half:.9f} {pb - pa + half:.9f}")
