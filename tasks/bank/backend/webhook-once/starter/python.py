def settle(deliveries):
    # your code here
    return {"applied": 0, "repeats": 0, "conflicts": [], "balance": 0}
