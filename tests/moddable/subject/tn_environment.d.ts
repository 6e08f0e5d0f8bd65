declare module "tn_environment" {
	export default function environment(name: string): string | undefined;
}
