import sys
from bisect import bisect_left, insort

data = list(map(int, sys.stdin.read().split()))
n, k, c = data[:3]
readings = data[3 : 3 + n]
half = (k - 1) // 2


def mad(window, median):
    # The half + 1 elements nearest to the median stand side by side: window[s : s + half + 1].
    low, high = 0, half
    while low < high:
        s = (low + high) // 2
        if window[s + half] - median >= median - window[s]:
            high = s
        else:
            low = s + 1
    best = max(median - window[low], window[low + half] - median)
    if low:
        best = min(best, max(median - window[low - 1], window[low - 1 + half] - median))
    return best


window = sorted(readings[:k])
outliers, total = [], 0
for i in range(k, n):
    median = window[half]
    spread = mad(window, median)
    total += spread
    if abs(readings[i] - median) > c * spread:
        outliers.append(i + 1)
    del window[bisect_left(window, readings[i - k])]
    insort(window, readings[i])
print(len(outliers))
print(*(outliers or ["none"]))
print(total)
