import sys

lines = sys.stdin.read().splitlines()
history = [""]
for line in lines[1 : int(lines[0]) + 1]:
    command, _, value = line.partition(" ")
    text = history[-1]
    if command == "type":
        history.append(text + value)
    elif command == "erase":
        history.append(text[: max(0, len(text) - int(value))])
    else:
        history.pop()
print(len(history[-1]))
print(history[-1])
