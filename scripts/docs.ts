/** Writes the documents that derive from the code. `pnpm docs:write` */
import { writeFileSync } from "node:fs";
import { configurationDocument } from "../packages/sidecar/src/config/document.ts";

writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationDocument());
