def settle(deliveries):
    first = {}
    repeats = balance = 0
    conflicts = {}
    for delivery in deliveries:
        key = delivery["id"]
        content = (delivery["kind"], delivery["amount"])
        if key not in first:
            first[key] = content
            balance += content[1] if content[0] == "charge" else -content[1]
        elif first[key] == content:
            repeats += 1
        else:
            conflicts[key] = True
    return {
        "applied": len(first),
        "repeats": repeats,
        "conflicts": list(conflicts),
        "balance": balance,
    }
