/** Who restores a workload from the S3 server: the tool, the floor and the peers. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contestant, OURS, UNSYNCED } from "./contest.ts";
import { floor } from "./floor.ts";
import type { Lab, Made } from "./lab.ts";
import type { Peer, Task } from "./peers.ts";
import { type Command, measure } from "./processes.ts";

/** The tool, and the same build without its `syncfs`. */
export function ours(lab: Lab, made: Made, namespace: string, store?: string): Contestant[] {
	return [
		{ name: OURS, tool: lab.tool },
		{ name: UNSYNCED, tool: lab.unsyncedTool },
	].map(({ name, tool }) => ({
		name,
		restore: (directory) => {
			const place = lab.place(directory, namespace, made.profile);
			return tool.command("restore", store === undefined ? place : { ...place, store });
		},
	}));
}

export async function contestants(
	lab: Lab,
	peers: readonly Peer[],
	workload: string,
): Promise<{ readonly all: readonly Contestant[]; readonly notes: readonly string[] }> {
	const made = await lab.workload(workload);
	const namespace = await lab.committed(workload);
	const all = [
		...ours(lab, made, namespace),
		await floor(lab, made.restored, `packed-${workload}`),
	];
	const notes: string[] = [];
	for (const peer of peers) {
		try {
			all.push(await contestant(lab, peer, made, `files-${workload}`));
		} catch (error) {
			notes.push(`${peer.name} is left out: ${(error as Error).message}`);
			console.log(`  ${notes.at(-1)}`);
		}
	}
	return { all, notes };
}

async function contestant(
	lab: Lab,
	peer: Peer,
	{ restored }: Made,
	prefix: string,
): Promise<Contestant> {
	const task = (endpoint: string): Task => {
		const scratch = lab.fresh("scratch");
		mkdirSync(scratch);
		const { bucket } = lab.store;
		const made: Task = { program: peer.origin.program, bucket, prefix, endpoint, scratch };
		for (const [name, content] of Object.entries(peer.files?.(made) ?? {}))
			writeFileSync(join(scratch, name), content);
		return made;
	};
	const command = (made: Task, argv: readonly string[]): Command => ({
		argv,
		env: { ...lab.env(made.endpoint), HOME: made.scratch, ...peer.env?.(made) },
		cwd: made.scratch,
		name: peer.name,
	});
	const direct = task(lab.directEndpoint);
	if (peer.store === undefined) await lab.upload(restored, prefix);
	for (const argv of peer.store?.(direct, restored) ?? []) await measure(command(direct, argv));
	return {
		name: peer.name,
		restore: (to) => {
			const made = task(lab.endpoint);
			return command(made, peer.restore(made, to, restored));
		},
		isPeer: true,
		...(peer.isSlow && { isSlow: true }),
	};
}
