// node scripts/sum-results.mjs [NAME STATUS REPORT SECONDS]... sums the steps of `.ci/run`. The last line
// is `N passed, N failed`. REPORT is vitest's JSON, or - if the step counts as one. Plain
// JavaScript, because it must run even if the installation failed.
import { readFileSync } from "node:fs";

const args = process.argv.slice(2);
const total = { passed: 0, failed: 0 };
for (let i = 0; i < args.length; i += 4) {
	const [name, status, report, seconds] = args.slice(i, i + 4);
	const counts = count(Number(status), readReport(report, Number(status)));
	console.log(
		`${name}: ${counts.passed} passed, ${counts.failed} failed, exit status ${status}, ${seconds} s`,
	);
	total.passed += counts.passed;
	total.failed += counts.failed;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || args.length === 0 ? 1 : 0;

/**
 * A step that failed without a failed test (lint, types, a crash, a file that did not load) counts
 * as one failure. So does a step that succeeded without the report that shows what it ran.
 */
function count(status, report) {
	const { numPassedTests: passed, numFailedTests: failed } = report ?? {
		numPassedTests: 0,
		numFailedTests: 1,
	};
	return { passed, failed: status === 0 ? failed : Math.max(1, failed) };
}

function readReport(path, status) {
	if (path === "-")
		return { numPassedTests: status === 0 ? 1 : 0, numFailedTests: status === 0 ? 0 : 1 };
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch {
		return undefined;
	}
}
