/**
 * `pnpm infra:check` synthesises every example with the CDK CLI, without network access (no
 * lookups, no credentials). CDK's validator and cdk-nag check it and must have no finding, and
 * cfn-lint checks its template. It takes 1 to 2 minutes on 2 cores.
 *
 * pip installs cfn-lint into `.cache/`. Without Python and its pip, that part is skipped with a
 * message; with CI=true that is an error.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const INFRA = fileURLToPath(new URL("..", import.meta.url));
const CACHE = fileURLToPath(new URL("../../../.cache/infra/", import.meta.url));
const MODES = ["public", "new-vpc", "existing-vpc", "own-issuer", "falco"];

/** Pinned, because a newer version has new rules. */
const CFN_LINT = "1.58.0";
/** W3005: CDK writes `DependsOn` also if a reference implies it. */
const IGNORED = ["W3005"];

interface Report {
	readonly pluginReports: readonly {
		readonly pluginName: string;
		readonly violations: readonly { readonly ruleName: string }[];
	}[];
}

function main(): void {
	mkdirSync(CACHE, { recursive: true });
	const lint = installCfnLint();
	const problems = MODES.flatMap((mode) => [
		...synthesise(mode),
		...(lint === undefined ? [] : lintTemplate(lint, mode)),
	]);
	for (const problem of problems) console.error(problem);
	process.exitCode = problems.length > 0 ? 1 : 0;
}

function synthesise(mode: string): readonly string[] {
	const startedMs = Date.now();
	const output = `${CACHE}${mode}`;
	const cdk = `${INFRA}node_modules/.bin/cdk`;
	const args = ["synth", "--quiet", "--no-lookups", "--no-notices", "--output", output];
	// No setting of this machine may influence the template.
	const env = {
		PATH: process.env.PATH,
		HOME: CACHE,
		AWS_EC2_METADATA_DISABLED: "true",
		CDK_DISABLE_CLI_TELEMETRY: "true",
		CI: "true",
	};
	const { status, stdout, stderr } = spawnSync(cdk, args, {
		cwd: `${INFRA}examples/${mode}`,
		env,
		encoding: "utf8",
	});
	if (status !== 0)
		return [`${mode}: cdk synth ended with ${status}\n${stdout}${stderr}`.slice(-4_000)];
	const report = JSON.parse(readFileSync(`${output}/validation-report.json`, "utf8")) as Report;
	const findings = report.pluginReports.flatMap(({ pluginName, violations }) =>
		violations
			.filter(({ ruleName }) => !isInformation(ruleName))
			.map(({ ruleName }) => `${mode}: ${pluginName} finds ${ruleName}`),
	);
	const { Resources } = JSON.parse(readFileSync(`${output}/OpenClaw.template.json`, "utf8")) as {
		readonly Resources: object;
	};
	console.log(
		`${mode}: ${Object.keys(Resources).length} resources in ${((Date.now() - startedMs) / 1_000).toFixed(1)} s, ${findings.length} findings`,
	);
	return findings;
}

/** The messages that CDK and our own code give the reader of a synth. */
function isInformation(ruleName: string): boolean {
	return /^Annotation::(aws-cdk-lib\.aws-bedrockagentcore:containerUriValidationSkipped|Construct|openclaw)/.test(
		ruleName,
	);
}

function lintTemplate(packages: string, mode: string): readonly string[] {
	const args = ["--ignore-checks", ...IGNORED, "--", `${CACHE}${mode}/OpenClaw.template.json`];
	const { status, stdout, stderr } = spawnSync(`${packages}/bin/cfn-lint`, args, {
		encoding: "utf8",
		env: { ...process.env, PYTHONPATH: packages },
	});
	return status === 0 ? [] : [`${mode}: cfn-lint\n${stdout}${stderr}`];
}

/** The directory of its Python packages. */
function installCfnLint(): string | undefined {
	const packages = `${CACHE}cfn-lint-${CFN_LINT}`;
	if (existsSync(packages)) return packages;
	const making = mkdtempSync(`${CACHE}making-`);
	const options = [
		"--quiet",
		"--disable-pip-version-check",
		"--root-user-action=ignore",
		"--target",
		making,
	];
	const { status } = spawnSync(
		"python3",
		["-m", "pip", "install", ...options, `cfn-lint==${CFN_LINT}`],
		{ stdio: "inherit" },
	);
	if (status === 0) {
		renameSync(making, packages);
		return packages;
	}
	rmSync(making, { recursive: true, force: true });
	const reason = "cfn-lint cannot be installed: python3 with pip, and a package index, are needed";
	if (process.env.CI === "true") throw new Error(reason);
	console.warn(`The templates are NOT linted: ${reason}`);
	return undefined;
}

main();
