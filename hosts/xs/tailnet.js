/* The entry: XS resolves relative imports against a module's name, so that the class lies one level below its package's name. */
export * from "tailnet/tailnet";
export { default } from "tailnet/tailnet";
