# Takes false, 0, "" and empty containers in a layer for "nothing to change".
def apply(target, layer):
    result = dict(target)
    for key, value in layer.items():
        if value is None:
            result.pop(key, None)
        elif not value:
            continue
        elif isinstance(value, dict):
            old = result.get(key)
            result[key] = apply(old if isinstance(old, dict) else {}, value)
        else:
            result[key] = value
    return result


def overlay(base, layers):
    for layer in layers:
        base = apply(base, layer)
    return base
