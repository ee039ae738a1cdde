// npm ci && npm run build: bundles src/editor.js into ../static/neurogame/vendor/ and
// copies the fonts. Both results are committed, so that running the product needs no Node.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const site = join(here, "..", "static", "neurogame");
const vendor = join(site, "vendor");
const modules = join(here, "node_modules");

rmSync(vendor, { recursive: true, force: true });
mkdirSync(vendor, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: { editor: "src/editor.js" },
  outdir: vendor,
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: ["es2022"],
  chunkNames: "editor-[name]-[hash]",
  legalComments: "none",
  metafile: true,
});

// The licences of what is inside stand beside it.
const packages = new Set();
for (const input of Object.keys(result.metafile.inputs)) {
  const match = input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//);
  if (match) packages.add(match[1]);
}
const fonts = ["inter", "jetbrains-mono"];
for (const font of fonts) packages.add(`@fontsource-variable/${font}`);
const notices = [...packages].sort().map((name) => {
  const { version } = JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"));
  return `${name} ${version}\n\n${readFileSync(join(modules, name, "LICENSE"), "utf8").trim()}\n`;
});
writeFileSync(join(vendor, "LICENSES.txt"), notices.join(`\n${"-".repeat(72)}\n\n`));

mkdirSync(join(site, "fonts"), { recursive: true });
for (const font of fonts) {
  for (const subset of ["latin", "cyrillic"]) {
    const file = `${font}-${subset}-wght-normal.woff2`;
    copyFileSync(join(modules, "@fontsource-variable", font, "files", file),
      join(site, "fonts", file));
  }
}

for (const [file, { bytes }] of Object.entries(result.metafile.outputs)) {
  console.log(`${String(bytes).padStart(8)}  ${file.split("/").pop()}`);
}
