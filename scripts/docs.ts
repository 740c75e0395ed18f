/** Writes the documents that derive from the code, for `pnpm docs:write`. */
import { readFileSync, writeFileSync } from "node:fs";
import { writePage } from "../bench/page.ts";
import { readmeWithTables } from "../falco/test/driver/tables.ts";
import { scalePage } from "../packages/infra/pages/retention-model.ts";
import { withRooms } from "../packages/infra/pages/rooms.ts";
import { limitsPage } from "../packages/infra/pages/scale-page.ts";
import { withSettings } from "../packages/infra/pages/settings-table.ts";
import { shownPage } from "../packages/infra/pages/shown.ts";
import { configurationDocument } from "../packages/sidecar/src/config/document.ts";
import {
	operationsDocument,
	standaloneDocument,
	troubleshootingDocument,
} from "../packages/sidecar/src/library/doctor/document.ts";
import { reliabilityPage } from "../packages/sidecar/test/reliability/rows.ts";
import { readDecisions, withIndex } from "./decisions.ts";

writeFileSync(new URL("../docs/configuration.md", import.meta.url), configurationDocument());

const operations = new URL("../docs/operations.md", import.meta.url);
writeFileSync(operations, operationsDocument(readFileSync(operations, "utf8")));

const standalone = new URL("../docs/standalone.md", import.meta.url);
writeFileSync(standalone, standaloneDocument(readFileSync(standalone, "utf8")));
const troubleshooting = new URL("../docs/troubleshooting.md", import.meta.url);
writeFileSync(troubleshooting, troubleshootingDocument(readFileSync(troubleshooting, "utf8")));
const reliability = new URL("../docs/reliability.md", import.meta.url);
writeFileSync(reliability, reliabilityPage(readFileSync(reliability, "utf8")));

const falco = new URL("../falco/README.md", import.meta.url);
writeFileSync(falco, readmeWithTables(readFileSync(falco, "utf8")));
const deploy = new URL("../docs/deploy.md", import.meta.url);
writeFileSync(deploy, withSettings(readFileSync(deploy, "utf8")));

writeFileSync(new URL("../docs/retention-at-scale.md", import.meta.url), scalePage());
writeFileSync(new URL("../docs/scale.md", import.meta.url), limitsPage());
const infra = new URL("../packages/infra/README.md", import.meta.url);
writeFileSync(infra, withRooms(readFileSync(infra, "utf8")));
writeFileSync(new URL("../docs/deployment-tests.md", import.meta.url), shownPage());

const decisions = new URL("../docs/decisions/README.md", import.meta.url);
writeFileSync(decisions, withIndex(readFileSync(decisions, "utf8"), readDecisions()));

writePage();
