const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function apply(target, layer) {
  const result = { ...target };
  for (const [key, value] of Object.entries(layer)) {
    if (value === null) delete result[key];
    else if (isObject(value)) {
      const old = Object.hasOwn(result, key) ? result[key] : null;
      result[key] = apply(isObject(old) ? old : {}, value);
    } else result[key] = value;
  }
  return result;
}

function overlay(base, layers) {
  return layers.reduce((result, layer) => apply(result, layer), base);
}
