declare module "tailnet" {
	export * from "tailnet/tailnet";
	export { default } from "tailnet/tailnet";
}
