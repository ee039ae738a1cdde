import sys

lines = sys.stdin.read().splitlines()
text, done = [], []
for line in lines[1 : int(lines[0]) + 1]:
    command, _, value = line.partition(" ")
    if command == "type":
        text.extend(value)
        done.append(len(value))
    elif command == "erase":
        keep = max(0, len(text) - int(value))
        done.append(text[keep:])
        del text[keep:]
    elif done:
        last = done.pop()
        if isinstance(last, int):
            del text[len(text) - last :]
        else:
            text.extend(last)
print(len(text))
print("".join(text))
