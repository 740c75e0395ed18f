/**
 * The server of `openclaw-sidecar ui`: a page over one log, for one person on this machine.
 *
 * It listens on loopback only, and answers nobody who does not have the token. It reads the log
 * through the same functions as the commands, and writes nothing unless restores are allowed.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { SidecarError } from "../errors.ts";
import { ask } from "../library/control.ts";
import { type OpenLog, type WorkspaceOptions, withLog } from "../library/options.ts";
import { withRealWorkspace } from "../library/workspace-place.ts";
import { silentLogger } from "../telemetry/logger.ts";
import type { Logger } from "../telemetry/types.ts";
import { type Profile, profileNamed } from "../workspace/profile.ts";
import { makeAnswers } from "./answers.ts";
import type { State } from "./api.ts";
import { type Assets, readAssets } from "./assets.ts";
import { Databases } from "./databases.ts";
import { Tickets } from "./downloads.ts";
import { newHostName, newToken } from "./gate.ts";
import { LogView } from "./log-view.ts";
import { routes } from "./routes.ts";

export interface UiOptions extends WorkspaceOptions {
	/** 0: any free port. */
	readonly port: number;
	readonly allowsRestore: boolean;
	/** Called with the page's address, token included, once it can be opened. */
	readonly onListening: (url: string) => Promise<void>;
	/** Ends the server. */
	readonly signal: AbortSignal;
}

/** Both that a name below `localhost` may mean: nobody else can answer for it. */
const ADDRESSES = ["127.0.0.1", "::1"];
/** This machine has no IPv6. */
const NO_ADDRESS = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/**
 * Serves the page until the signal.
 * @throws SidecarError USAGE (the port is taken, the page's files are missing), and as `withLog`
 */
export async function serveUi(options: UiOptions): Promise<void> {
	const { signal, port, allowsRestore } = options;
	const assets = readAssets();
	// Not `withWorkspace`: it makes a directory, and a server that only reads needs none.
	await withLog({ ...options, signal: undefined }, async ({ store, ...opened }) => {
		const settings = withRealWorkspace(opened.settings);
		const profile =
			typeof options.profile === "object"
				? options.profile
				: (profileNamed(settings.profile) as Profile);
		const logger = options.logger ?? silentLogger;
		const source = { store, settings, profile, logger };
		using page = makePage(source, { assets, allowsRestore, verbs: options });
		const listener = getRequestListener(page.app.fetch, { overrideGlobalObjects: false });
		const servers: Server[] = [];
		const close = () => {
			for (const server of servers) {
				server.close();
				server.closeAllConnections();
			}
		};
		page.port = port;
		try {
			for (const address of ADDRESSES) {
				const server = createServer(listener);
				if (!(await listening(server, address, page.port))) continue;
				servers.push(server);
				page.port = (server.address() as AddressInfo).port;
			}
			const closed = Promise.all(servers.map((server) => once(server, "close")));
			signal.addEventListener("abort", close, { once: true });
			if (signal.aborted) close();
			logger.info("ui.listening", { port: page.port });
			await options.onListening(`http://${page.host}/#token=${page.token}`);
			await closed;
		} finally {
			close();
		}
	});
}

/** @returns whether this machine has the address @throws SidecarError USAGE */
async function listening(server: Server, address: string, port: number): Promise<boolean> {
	server.listen(port, address);
	try {
		await once(server, "listening");
		return true;
	} catch (cause) {
		const code = (cause as NodeJS.ErrnoException).code ?? "";
		if (NO_ADDRESS.has(code)) return false;
		throw new SidecarError("USAGE", {
			value: `--port ${port}`,
			reason: `cannot listen on ${address}: ${code}`,
			remedy: "name another port, or none: any free one is used",
			cause,
		});
	}
}

export interface Page extends Disposable {
	readonly app: Hono;
	readonly token: string;
	/** Of the server; set it before the first request. */
	port: number;
	/** Name and port. */
	readonly host: string;
}

export interface PageSource extends Pick<OpenLog, "store" | "settings"> {
	readonly profile: Profile;
	readonly logger: Logger;
}

export interface PageOptions {
	readonly assets: Assets;
	readonly allowsRestore: boolean;
	/** How the library's verbs find the same log and workspace. */
	readonly verbs: WorkspaceOptions;
}

/** The page without a socket. */
export function makePage(
	{ store, settings, profile, logger }: PageSource,
	{ assets, allowsRestore, verbs }: PageOptions,
): Page {
	const { workspace, stateDir, namespace } = settings;
	const databases = new Databases(store);
	const tickets = new Tickets(() => performance.now());
	const answers = makeAnswers({
		about: { logUrl: store.url, namespace, workspace, profile: profile.name, allowsRestore },
		...{ store, profile, databases, tickets },
		view: new LogView(store),
		// Settings were checked once.
		verbs: { ...verbs, settings, logger, signal: undefined },
		askDaemon: async () => await ask<NonNullable<State["daemon"]>>(stateDir, workspace, "status"),
	});
	const token = newToken();
	const name = newHostName();
	const page: Page = {
		port: 0,
		get host() {
			return `${name}:${page.port}`;
		},
		token,
		app: routes({ host: () => page.host, token, assets, answers, tickets, logger }),
		[Symbol.dispose]: () => databases[Symbol.dispose](),
	};
	return page;
}
