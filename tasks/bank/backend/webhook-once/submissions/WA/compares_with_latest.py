# Compares with the latest delivery of the id instead of the first one.
def settle(deliveries):
    last = {}
    applied = repeats = balance = 0
    conflicts = []
    for delivery in deliveries:
        key = delivery["id"]
        content = (delivery["kind"], delivery["amount"])
        if key not in last:
            applied += 1
            balance += content[1] if content[0] == "charge" else -content[1]
        elif last[key] == content:
            repeats += 1
        elif key not in conflicts:
            conflicts.append(key)
        last[key] = content
    return {"applied": applied, "repeats": repeats, "conflicts": conflicts, "balance": balance}
