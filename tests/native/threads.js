/**
 * Builds the native core and the POSIX host with ThreadSanitizer and lets two nodes run under load (soak_threads.c).
 *
 *   node tests/native/threads.js [SECONDS]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = join(root, "build", "native", "threads");
const program = join(folder, "soak_threads");
const sources = ["native", "hosts/desktop", "hosts/posix"].flatMap((path) =>
	readdirSync(join(root, path))
		.filter((name) => name.endsWith(".c"))
		.map((name) => join(path, name)),
);

mkdirSync(folder, { recursive: true });
const flags = [
	"-std=c11",
	"-D_GNU_SOURCE",
	"-g",
	"-O1",
	"-fsanitize=thread",
	"-Inative",
	"-Ihosts",
	"-Ihosts/desktop",
	"-Ihosts/posix",
	"-isystem",
	"/usr/include/lwip",
];
const built = spawnSync("clang", [...flags, ...sources, "tests/native/soak_threads.c", "-lsodium", "-llwip", "-lpthread", "-o", program], {
	cwd: root,
	stdio: "inherit",
});
const ran =
	built.status === 0
		? spawnSync(program, [process.argv[2] ?? "4"], { cwd: root, stdio: "inherit", env: { ...process.env, TSAN_OPTIONS: "halt_on_error=0 exitcode=66" } })
		: built;
process.exit(ran.status ?? 1);
