import sys

lines = sys.stdin.read().splitlines()
text, history = "", []
for line in lines[1 : int(lines[0]) + 1]:
    command, _, value = line.partition(" ")
    before = text
    if command == "type":
        text += value
    elif command == "erase":
        text = text[: max(0, len(text) - int(value))]
    elif history:
        text = history.pop()
        continue
    if text != before:
        history.append(before)
print(len(text))
print(text)
