/** The SDK's module "text/decoder" is the web's class. */
export default TextDecoder;
