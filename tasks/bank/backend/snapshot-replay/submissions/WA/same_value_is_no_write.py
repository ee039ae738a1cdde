# Takes a write of the value that is already there for no write.
def replay(commands):
    state, commits, open_now, results = {}, [], {}, []
    for command, name, *rest in commands:
        if command == "begin":
            open_now[name] = {
                "snapshot": dict(state),
                "begin": len(commits),
                "reads": set(),
                "layers": [{}],
            }
            continue
        tx = open_now[name]
        if command == "get":
            key = rest[0]
            for layer in reversed(tx["layers"]):
                if key in layer:
                    results.append(layer[key])
                    break
            else:
                tx["reads"].add(key)
                results.append(tx["snapshot"].get(key, 0))
        elif command == "set":
            tx["layers"][-1][rest[0]] = rest[1]
        elif command == "save":
            tx["layers"].append({})
        elif command == "back":
            tx["layers"].pop()
        else:
            del open_now[name]
            if command == "abort":
                continue
            writes = {}
            for layer in tx["layers"]:
                writes.update(layer)
            touched = tx["reads"] | writes.keys()
            if writes and any(touched & later for later in commits[tx["begin"] :]):
                results.append("conflict")
                continue
            state.update(writes)
            commits.append({k for k, w in writes.items() if w != tx["snapshot"].get(k, 0)})
            results.append("ok")
    return results
