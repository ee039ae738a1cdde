# Copies a new object as it is, so nulls inside it survive.
def apply(target, layer):
    for key, value in layer.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            apply(target[key], value)
        elif isinstance(value, dict):
            target[key] = {k: v for k, v in value.items() if v is not None}
        else:
            target[key] = value
    return target


def overlay(base, layers):
    for layer in layers:
        apply(base, layer)
    return base
