/** Unit tests under Node. "tailnet/host" is the test host on @noble/* for everything but *.addon.test.ts, which run on the real one. */
const transform = {
	"^.+\\.(ts|js)$": [
		"@swc/jest",
		{ jsc: { target: "es2023", parser: { syntax: "typescript" }, experimental: { keepImportAttributes: true } }, module: { type: "es6" } },
	],
};
const common = {
	extensionsToTreatAsEsm: [".ts"],
	transform,
	transformIgnorePatterns: ["/node_modules/"],
	testEnvironment: "node",
	modulePathIgnorePatterns: ["<rootDir>/build/", "<rootDir>/dist/"],
};
const relative = { "^(\\.{1,2}/.*)\\.js$": ["$1.ts", "$1.js"] };

export default {
	// Nothing takes so long; a machine that is busy otherwise shall not make a test red.
	testTimeout: 30_000,
	projects: [
		{
			...common,
			displayName: "unit",
			testMatch: ["<rootDir>/tests/unit/**/*.test.ts"],
			testPathIgnorePatterns: ["\\.addon\\.test\\.ts$"],
			moduleNameMapper: { "^tailnet/host$": "<rootDir>/tests/xs/host.ts", "^tailnet/status/(.*)$": "<rootDir>/status/$1.ts", ...relative },
		},
		{
			...common,
			displayName: "addon",
			testMatch: ["<rootDir>/tests/unit/**/*.addon.test.ts"],
			moduleNameMapper: { "^tailnet/host$": "<rootDir>/hosts/node/host.ts", ...relative },
		},
	],
};
