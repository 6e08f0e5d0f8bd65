declare module "tn_figures" {
	export function figures(): string;
}
