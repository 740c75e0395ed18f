export default function printSeed(): void {
	console.log(`FC_SEED=${process.env.FC_SEED}`);
}
