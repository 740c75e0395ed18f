/**
 * `node packages/infra/test/write-baseline.ts` writes the stateful resources of `examples/new-vpc` to
 * previous-release.json. Run it, and `pnpm format`, when a release is made: the next one is compared
 * with it.
 */
import { writeFileSync } from "node:fs";
import { statefulOf } from "./stateful.ts";
import { synthesise } from "./synth.ts";

const stateful = statefulOf(synthesise("new-vpc").template);
const file = new URL("previous-release.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(stateful, null, "\t")}\n`);
