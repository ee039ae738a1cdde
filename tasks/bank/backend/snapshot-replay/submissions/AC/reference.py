from bisect import bisect_right


class Transaction:
    def __init__(self, begin):
        self.begin = begin
        self.reads = set()
        self.layers = [{}]


def replay(commands):
    versions = {}  # key -> ([commit numbers], [values])
    number = 0
    open_now = {}
    results = []
    for command, name, *rest in commands:
        if command == "begin":
            open_now[name] = Transaction(number)
            continue
        tx = open_now[name]
        if command == "get":
            key = rest[0]
            layer = next((layer for layer in reversed(tx.layers) if key in layer), None)
            if layer is not None:
                results.append(layer[key])
                continue
            tx.reads.add(key)
            numbers, values = versions.get(key, ((), ()))
            found = bisect_right(numbers, tx.begin)
            results.append(values[found - 1] if found else 0)
        elif command == "set":
            tx.layers[-1][rest[0]] = rest[1]
        elif command == "save":
            tx.layers.append({})
        elif command == "back":
            tx.layers.pop()
        else:
            del open_now[name]
            if command == "abort":
                continue
            writes = {}
            for layer in tx.layers:
                writes.update(layer)
            touched = tx.reads | writes.keys()
            if writes and any(k in versions and versions[k][0][-1] > tx.begin for k in touched):
                results.append("conflict")
                continue
            if writes:
                number += 1
                for key, value in writes.items():
                    numbers, values = versions.setdefault(key, ([], []))
                    numbers.append(number)
                    values.append(value)
            results.append("ok")
    return results
