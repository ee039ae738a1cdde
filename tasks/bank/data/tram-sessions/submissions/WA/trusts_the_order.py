# Takes the touches of a card in the order of the input.
import sys

lines = sys.stdin.read().splitlines()
n, gap = map(int, lines[0].split())
state = {}
for line in lines[1 : n + 1]:
    card, text = line.split()
    time = int(text)
    if card not in state:
        state[card] = [1, 0, time, time]
        continue
    row = state[card]
    if abs(time - row[3]) > gap:
        row[0] += 1
        row[2] = time
    row[1] = max(row[1], time - row[2])
    row[3] = time
for card in sorted(state):
    print(card, state[card][0], state[card][1])
