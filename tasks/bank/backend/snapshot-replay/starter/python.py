def replay(commands):
    results = []
    for command, tx, *rest in commands:
        pass  # your code here
    return results
