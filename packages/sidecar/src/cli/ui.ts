import { SidecarError } from "../errors.ts";
import type { Command } from "./command.ts";

export const ui: Command = {
	name: "ui",
	summary: "Show the log in the browser: timeline, files at any moment, differences, versions.",
	notes: [
		"The page is served to this machine only, until Ctrl-C, and needs the token in the printed address.",
		"It reads. With --allow-restore it also restores, after a preview, and applies and drops, after a question.",
	],
	options: [
		{ flags: "--port <N>", description: "The port to listen on. (default: any free one)" },
		{ flags: "--no-open", description: "Only print the address; open no browser." },
		{
			flags: "--allow-restore",
			description: "Allow the page to restore, and to apply and drop what is quarantined.",
		},
	],
	async run({ config, logger, out }, _args, options) {
		const port = portOf(options.port);
		const library = await import("../ui/server.ts");
		const stop = new AbortController();
		for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
			process.once(signal, () => stop.abort());
		using opened = new DisposableStack();
		await library.serveUi({
			settings: config,
			logger,
			port,
			allowsRestore: options.allowRestore === true,
			signal: stop.signal,
			onListening: async (url) => {
				if (config.json) await out.json({ url });
				else {
					await out.line(url);
					await out.line(
						`${options.allowRestore === true ? "It can restore." : "Read-only."} Keep the address to yourself. Ctrl-C ends it.`,
					);
				}
				await out.flush();
				if (options.open === false || config.json) return;
				const { openBrowser } = await import("../ui/open-browser.ts");
				opened.use(await openBrowser(url));
			},
		});
		return 0;
	},
};

function portOf(value: unknown): number {
	if (value === undefined) return 0;
	const port = /^\d{1,5}$/.test(String(value)) ? Number(value) : Number.NaN;
	if (port >= 1 && port <= 65_535) return port;
	throw new SidecarError("USAGE", {
		value: String(value) || '""',
		reason: "flag --port accepts a number from 1 to 65535",
	});
}
