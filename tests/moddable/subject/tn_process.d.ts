declare module "tn_process" {
	export function environment(name: string): string | undefined;
	export function mallocedBytes(): number;
	export function wakes(): number;
}
