import { AT_OPTION, type Command, textOf } from "./command.ts";

export const cat: Command = {
	name: "cat",
	args: "<PATH>",
	summary: "Write a file of a commit to stdout, byte for byte.",
	options: [AT_OPTION],
	async run({ config, out }, args, options) {
		const library = await import("../library/read.ts");
		const path = args[0] as string;
		await out.run(() =>
			library.cat({ settings: config, at: textOf(options.at), path, to: out.raw() }),
		);
		return 0;
	},
};
