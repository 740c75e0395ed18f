import { mkdirSync } from "node:fs";
import { againstPeer } from "../budget.ts";
import { compete } from "../contest.ts";
import { ours } from "../contestants.ts";
import { pack } from "../floor.ts";
import type { Measurement } from "../measurement.ts";

const TAR = "tar -x --zstd";
const WORKLOAD = "W1";

export const fileStore: Measurement = {
	name: "file-store",
	title: `Restore ${WORKLOAD} from a file:// store, against ${TAR} of the same bytes`,
	budgets: [againstPeer("restore W1 from a file:// store", 1.3, TAR, "durable")],
	run: async (lab) => {
		const made = await lab.workload(WORKLOAD);
		const { files, directories, bytes } = made;
		const archive = lab.fresh("packed.tar.zst");
		pack(made.restored, archive);
		const directory = lab.fresh("store");
		mkdirSync(directory);
		const store = `file://${directory}`;
		const namespace = "file-store";
		await lab.tool.run("flush", { ...lab.place(made.directory, namespace), store });
		const tar = {
			name: TAR,
			restore: (to: string) => ({
				argv: ["bash", "-c", 'mkdir "$1" && tar -x --zstd -f "$0" -C "$1"', archive, to],
				name: TAR,
			}),
		};
		const all = [...ours(lab, made, namespace, store), tar];
		const { series } = await compete(lab, all, lab.options.caches, made);
		return { series, workload: { files, directories, bytes } };
	},
};
