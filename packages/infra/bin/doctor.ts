/** `pnpm infra:doctor`: whether this machine can deploy, and into this account. */
import { runAsProcess } from "../tools/command-line.ts";
import { runDoctorTool } from "../tools/doctor-tool.ts";

await runAsProcess(runDoctorTool);
