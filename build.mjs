// Bundles static/js and static/css into static/build; akashml/runner/frontend.py calls it whenever a source has changed.
//
//   theme.js         runs before the first paint
//   app.js           every page
//   shell.js         every page of the app shell, on top
//   pages/NAME.js    what one page needs on top of these
//   app.css, admin.css
//
// What an entry imports lazily becomes a chunk whose name carries its hash. Next to each file lie its compressed forms.
import { build } from "esbuild";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const target = process.argv[2] ?? "static/build";
const fresh = `${target}.new`;
const shared = { bundle: true, minify: true, legalComments: "eof", logLevel: "warning", target: ["es2022"] };

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });
await build({ ...shared, entryPoints: ["static/js/theme.js"], outdir: fresh, format: "iife" });
await build({
  ...shared,
  entryPoints: ["static/js/app.js", "static/js/shell.js", ...(await modules("static/js/pages"))],
  outdir: fresh,
  outbase: "static/js",
  format: "esm",
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
});
// No target: nesting, layers and light-dark() are used as they are.
await build({ ...shared, target: undefined, entryPoints: ["static/css/app.css", "static/css/admin.css"], outdir: fresh });
await compress();
await rm(target, { recursive: true, force: true });
await rename(fresh, target);

async function modules(folder) {
  if (!existsSync(folder)) return []; // no page has a module of its own yet
  return (await readdir(folder)).filter((name) => name.endsWith(".js")).map((name) => path.join(folder, name));
}

async function compress() {
  const entries = await readdir(fresh, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const content = await readFile(file);
    const hint = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
    await writeFile(`${file}.br`, brotliCompressSync(content, { params: hint }));
    await writeFile(`${file}.gz`, gzipSync(content, { level: 9 }));
  }
}
