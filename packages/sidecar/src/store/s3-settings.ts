import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import type { SecureContext } from "node:tls";
import { SidecarError } from "../errors.ts";
import { withoutSecrets } from "./redact.ts";

/**
 * The settings of the AWS SDK's own variables and shared config file for reaching S3, and those of
 * other SDKs that it does not know: `addressing_style` and `ca_bundle`.
 */
export interface S3Settings {
	/** Undefined: AWS's endpoint for the region. */
	readonly endpoint: string | undefined;
	readonly region: string | undefined;
	readonly pathStyle: boolean;
	readonly fips: boolean;
	readonly dualstack: boolean;
	readonly requestChecksums: ChecksumUse;
	readonly responseChecksums: ChecksumUse;
	/**
	 * Trusted instead of the built-in authorities. One for all connections: a bundle of hundreds of
	 * certificates is parsed once.
	 */
	readonly secureContext: SecureContext | undefined;
}

export type ChecksumUse = "WHEN_SUPPORTED" | "WHEN_REQUIRED";

type Section = Readonly<Record<string, string | undefined>>;

/**
 * @throws SidecarError USAGE: names the variable or the profile's key whose value cannot be used
 */
export async function s3Settings(given: {
	readonly endpoint?: string | undefined;
	readonly region?: string | undefined;
	readonly forcePathStyle?: boolean | undefined;
}): Promise<S3Settings> {
	const { env } = process;
	const { configFile, credentialsFile } = await sharedFiles(env);
	const name = env.AWS_PROFILE || "default";
	const profile: Section = { ...credentialsFile[name], ...configFile[name] };
	const value = (variable: string, key: string): Value | undefined => {
		if (env[variable]) return { text: env[variable], source: variable };
		return profile[key] ? { text: profile[key], source: `${key} of profile ${name}` } : undefined;
	};

	const endpoint = given.endpoint || configuredEndpoint(env, profile, configFile);
	if (endpoint !== undefined) assertEndpoint(endpoint);
	const region =
		given.region ||
		env.AWS_REGION ||
		env.AWS_DEFAULT_REGION ||
		profile.region ||
		(endpoint && "us-east-1");
	const isFipsRegion = region !== undefined && FIPS_REGION.test(region);
	const fips = isFipsRegion || isTrue(value("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
	const dualstack = isTrue(value("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
	if (endpoint !== undefined && (fips || dualstack))
		throw new SidecarError("USAGE", {
			value: withoutSecrets(endpoint),
			reason: `${fips ? "a FIPS" : "a dual-stack"} endpoint is wanted, and another one is set`,
			remedy: `unset ${fips ? "AWS_USE_FIPS_ENDPOINT" : "AWS_USE_DUALSTACK_ENDPOINT"}, or remove the endpoint`,
		});
	const style = addressingStyle(profile["s3.addressing_style"] ?? profile.addressing_style, name);
	return {
		endpoint,
		region: isFipsRegion ? region?.replace(FIPS_REGION, "") : region,
		fips,
		dualstack,
		pathStyle: given.forcePathStyle ?? style ?? (endpoint !== undefined && !isOfAws(endpoint)),
		requestChecksums:
			checksumUse(value("AWS_REQUEST_CHECKSUM_CALCULATION", "request_checksum_calculation")) ??
			"WHEN_SUPPORTED",
		// Every object of the log is verified by SHA-256 after it was read.
		responseChecksums:
			checksumUse(value("AWS_RESPONSE_CHECKSUM_VALIDATION", "response_checksum_validation")) ??
			"WHEN_REQUIRED",
		secureContext: authorities(value("AWS_CA_BUNDLE", "ca_bundle")),
	};
}

/** Loads the SDK's reader only if there is something to read. */
async function sharedFiles(
	env: NodeJS.ProcessEnv,
): Promise<Record<"configFile" | "credentialsFile", Readonly<Record<string, Section>>>> {
	const home = env.HOME || homedir();
	const files = [
		env.AWS_CONFIG_FILE || "~/.aws/config",
		env.AWS_SHARED_CREDENTIALS_FILE || "~/.aws/credentials",
		// Services and containers pass it on as it is, and the SDK's reader takes it so.
	].map((file) => file.replace(/^~(?=\/)/, () => home));
	if (!files.some((file) => existsSync(file))) return { configFile: {}, credentialsFile: {} };
	const { loadSharedConfigFiles } = await import("@smithy/core/config");
	return await loadSharedConfigFiles({ ignoreCache: true });
}

/** An old form of a region's name, which the SDK still takes. */
const FIPS_REGION = /^fips-|-fips$/;

interface Value {
	readonly text: string;
	readonly source: string;
}

/** In the SDK's order: S3's settings before general ones, variables before the profile. */
function configuredEndpoint(
	env: NodeJS.ProcessEnv,
	profile: Section,
	sections: Readonly<Record<string, Section>>,
): string | undefined {
	const isIgnored =
		env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS ?? profile.ignore_configured_endpoint_urls;
	if (isIgnored?.toLowerCase() === "true") return undefined;
	const { services } = profile;
	const ofServices = services && sections[`services.${services}`];
	if (services && ofServices === undefined)
		throw new SidecarError("USAGE", {
			value: services,
			reason: "the AWS profile names a services section that does not exist",
			remedy: `add [services ${services}] to the shared config file, or remove the profile's line`,
		});
	const ofSection = ofServices ? ofServices["s3.endpoint_url"] : undefined;
	return (
		env.AWS_ENDPOINT_URL_S3 ||
		env.AWS_ENDPOINT_URL ||
		ofSection ||
		profile.endpoint_url ||
		undefined
	);
}

function assertEndpoint(endpoint: string): void {
	const url = URL.parse(endpoint);
	if (
		url === null ||
		!["http:", "https:"].includes(url.protocol) ||
		url.username !== "" ||
		url.password !== ""
	) {
		const remedy = "use http://host:port or https://host, without a user";
		throw new SidecarError("USAGE", {
			value: withoutSecrets(endpoint),
			reason: "not usable as the store's endpoint",
			remedy,
		});
	}
}

/** Only AWS is known to give every bucket its own host name. */
function isOfAws(endpoint: string): boolean {
	return /(^|\.)(amazonaws\.(com|eu)|amazonaws\.com\.cn|api\.aws)$/.test(
		new URL(endpoint).hostname,
	);
}

function addressingStyle(text: string | undefined, profile: string): boolean | undefined {
	if (text === undefined || text === "auto") return undefined;
	if (text === "path" || text === "virtual") return text === "path";
	throw new SidecarError("USAGE", {
		value: text,
		reason: `not an addressing_style, in profile ${profile}`,
		remedy: "use path, virtual or auto",
	});
}

function checksumUse(given: Value | undefined): ChecksumUse | undefined {
	if (given === undefined) return undefined;
	const use = given.text.toUpperCase();
	if (use === "WHEN_SUPPORTED" || use === "WHEN_REQUIRED") return use;
	throw new SidecarError("USAGE", {
		value: given.text,
		reason: `${given.source} has no such value`,
		remedy: "use when_supported or when_required",
	});
}

function isTrue(given: Value | undefined): boolean {
	if (given === undefined || given.text === "false") return false;
	if (given.text === "true") return true;
	throw new SidecarError("USAGE", {
		value: given.text,
		reason: `${given.source} has no such value`,
		remedy: "use true or false",
	});
}

/**
 * As in other SDKs, the bundle replaces the built-in authorities. Those of NODE_EXTRA_CA_CERTS
 * stay.
 */
function authorities(given: Value | undefined): SecureContext | undefined {
	if (given === undefined) return undefined;
	const remedy = "name a readable file of certificates in PEM form";
	try {
		const { createSecureContext, getCACertificates } = process.getBuiltinModule("node:tls");
		const bundle = readFileSync(given.text, "utf8");
		if (!bundle.includes("-----BEGIN CERTIFICATE-----"))
			throw new Error("it contains no certificate");
		return createSecureContext({ ca: [bundle, ...getCACertificates("extra")] });
	} catch (cause) {
		throw new SidecarError("USAGE", {
			value: given.text,
			reason: `${given.source}: ${(cause as Error).message}`,
			remedy,
			cause,
		});
	}
}
